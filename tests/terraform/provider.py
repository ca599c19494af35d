"""Stands in for the Google providers, so that terraform validates and plans with no network and no account.

    .venv-deploy/bin/python tests/terraform/provider.py VERSION FOLDER

It speaks version 6 of Terraform's plugin protocol on two sockets in FOLDER, one for hashicorp/google and one for
hashicorp/google-beta, each with its own release's schema (schema/). The line it prints is the value of
TF_REATTACH_PROVIDERS, with which terraform starts no provider of its own.

Terraform itself checks arguments, blocks and types against the schema; this program adds the values that the
documentation lists. Nothing else answers: a test that plans declares `mock_provider` for both.
Not covered: patterns, arguments that exclude each other, and everything that only Google's APIs know.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import msgpack
from tf.gen import tfplugin_pb2 as wire
from tf.gen import tfplugin_pb2_grpc as services

SCHEMAS = Path(__file__).resolve().parent / "schema"
NESTING = {
    "list": wire.Schema.NestedBlock.LIST,
    "set": wire.Schema.NestedBlock.SET,
    "single": wire.Schema.NestedBlock.SINGLE,
}
UNLIMITED = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]

Block = dict[str, Any]


def block_message(block: Block) -> wire.Schema.Block:
    """A block of the schema's file in the protocol's words."""
    attributes = [
        wire.Schema.Attribute(
            name=name,
            type=json.dumps(attribute["type"]).encode(),
            required=attribute.get("required", False),
            optional=attribute.get("optional", False),
            computed=attribute.get("computed", False),
        )
        for name, attribute in block["attributes"].items()
    ]
    blocks = [
        wire.Schema.NestedBlock(
            type_name=name,
            nesting=NESTING[nested["nesting"]],
            min_items=nested.get("min_items", 0),
            max_items=nested.get("max_items", 0),
            block=block_message(nested["block"]),
        )
        for name, nested in block["blocks"].items()
    ]
    return wire.Schema.Block(attributes=attributes, block_types=blocks)


def schema_message(block: Block) -> wire.Schema:
    return wire.Schema(block=block_message(block))


def unlisted_values(block: Block, given: Any, path: str) -> Iterator[str]:
    """A sentence for each value in `given` that the documentation does not list."""
    if not isinstance(given, dict):  # null, or known only after the apply
        return
    for name, attribute in block["attributes"].items():
        value, allowed = given.get(name), attribute.get("values")
        if allowed and isinstance(value, str) and value not in ("", *allowed):
            yield f"{path}.{name} is {value!r}; possible are {', '.join(allowed)}."
    for name, nested in block["blocks"].items():
        children = given.get(name)
        for child in children if isinstance(children, list) else [children]:
            yield from unlisted_values(nested["block"], child, f"{path}.{name}")


def unpack(value: Any) -> Any:
    """The configuration terraform sent; what is not known yet is None."""
    return msgpack.unpackb(value.msgpack, ext_hook=lambda _code, _data: None, strict_map_key=False)


class Provider(services.ProviderServicer):  # type: ignore[misc]  # generated, without types
    """One provider: tells its schema and refuses values that the documentation does not list."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self.resources: dict[str, Block] = schema["resources"]
        self.data_sources: dict[str, Block] = schema["data_sources"]
        self.answer = wire.GetProviderSchema.Response(
            provider=schema_message(schema["provider"]),
            resource_schemas={name: schema_message(block) for name, block in self.resources.items()},
            data_source_schemas={name: schema_message(block) for name, block in self.data_sources.items()},
        )

    def GetProviderSchema(self, _request: Any, _context: Any) -> Any:  # noqa: N802 - the protocol's names
        return self.answer

    def ValidateProviderConfig(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        return wire.ValidateProviderConfig.Response()

    def ValidateResourceConfig(self, request: Any, _context: Any) -> Any:  # noqa: N802
        found = unlisted_values(self.resources[request.type_name], unpack(request.config), request.type_name)
        return wire.ValidateResourceConfig.Response(diagnostics=[refusal(text) for text in found])

    def ValidateDataResourceConfig(self, request: Any, _context: Any) -> Any:  # noqa: N802
        found = unlisted_values(self.data_sources[request.type_name], unpack(request.config), request.type_name)
        return wire.ValidateDataResourceConfig.Response(diagnostics=[refusal(text) for text in found])

    def GetFunctions(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        return wire.GetFunctions.Response()

    def ConfigureProvider(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        return wire.ConfigureProvider.Response()

    def StopProvider(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        return wire.StopProvider.Response()


def refusal(text: str) -> wire.Diagnostic:
    return wire.Diagnostic(severity=wire.Diagnostic.ERROR, summary="Value not listed in the documentation", detail=text)


def serve(name: str, version: str, folder: Path) -> tuple[Any, dict[str, Any]]:
    """The running server of one provider, and how terraform reaches it."""
    schema = json.loads((SCHEMAS / f"{name}-{version}.json").read_text())
    address = folder / f"{name}.sock"
    server = grpc.server(futures.ThreadPoolExecutor(4), options=UNLIMITED)
    services.add_ProviderServicer_to_server(Provider(schema), server)
    server.add_insecure_port(f"unix:{address}")
    server.start()
    reach = {"Network": "unix", "String": str(address)}
    return server, {"Protocol": "grpc", "ProtocolVersion": 6, "Pid": os.getpid(), "Test": True, "Addr": reach}


def main() -> None:
    version, folder = sys.argv[1], Path(sys.argv[2])
    served = {name: serve(name, version, folder) for name in ("google", "google-beta")}
    print(json.dumps({f"hashicorp/{name}": reach for name, (_, reach) in served.items()}), flush=True)  # noqa: T201
    for server, _ in served.values():
        server.wait_for_termination()


if __name__ == "__main__":
    main()
