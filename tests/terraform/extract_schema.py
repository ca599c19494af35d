"""Writes the schema of the Google providers that the offline tests validate against, out of a package on PyPI.

    pip download --no-deps --dest wheels cdktn-provider-google==20.3.1 cdktn-provider-google-beta==20.3.1
    pip download --no-deps --dest wheels cdktn-provider-google==21.1.0 cdktn-provider-google-beta==21.1.0
    python3 tests/terraform/extract_schema.py wheels/*.whl

Terraform's registry is the provider's own source, and it needs a network and half a gigabyte. The CDK Terrain project
publishes each release of the provider as generated JavaScript (MPL-2.0). That text names every argument with its type,
whether it is required, what the API computes and which values it may take: enough for the real terraform binary to
validate and plan. Each wheel gives one file of schema/, which holds the types that terraform/ uses and no others: run
this again when it uses another.
"""

from __future__ import annotations

import io
import json
import re
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent / "schema"
TERRAFORM = Path(__file__).resolve().parents[2] / "terraform"
USED = re.findall(
    r'^(resource|data) "google_(\w+)"', "\n".join(map(Path.read_text, TERRAFORM.glob("*.tf"))), re.MULTILINE
)
# The package of google-beta names its folders google-storage-bucket, that of google storage-bucket.
PREFIXES = {"resource": ("", "google-"), "data": ("data-google-",)}
FOLDERS = {"lib/provider"} | {
    f"lib/{prefix}{name.replace('_', '-')}" for kind, name in USED for prefix in PREFIXES[kind]
}

Block = dict[str, Any]
GETTERS = {
    "String": "string",
    "Number": "number",
    "Boolean": "bool",
    "List": ["list", "string"],
    "NumberList": ["list", "number"],
    "StringMap": ["map", "string"],
    "NumberMap": ["map", "number"],
    "BooleanMap": ["map", "bool"],
}
STORED = {"string": "string", "number": "number", "boolean": "bool", "stringList": ["list", "string"]}
STORED |= {"stringMap": ["map", "string"]}

CLASS = re.compile(r"^class (\w+) extends [\w.]+ \{(.*?)^\}", re.MULTILINE | re.DOTALL)
MEMBER = re.compile(
    r"^    // (\w+) - computed: (true|false), optional: (true|false), required: (true|false)\n"
    r"(.*?)(?=^    // \w+ - computed|\Z)",
    re.MULTILINE | re.DOTALL,
)
GETTER = re.compile(r"return (cdkt[fn]\.Fn\.tolist\()?this\.(?:interpolationForAttribute|get(\w+)Attribute)\(")
NESTED = re.compile(r"= new (?:cdkt[fn]\.)?(\w+)\(this, \"\w+\"(?:, (true|false))?\)")
INTERFACE = re.compile(r"^export interface (\w+)[^{]*\{(.*?)^\}", re.MULTILINE | re.DOTALL)
DOCUMENTED = re.compile(r"/\*\*((?:(?!\*/).)*?)\*/\s*readonly", re.DOTALL)
VALUES = re.compile(r"Possible values: (\[\"[^\]]*\"\])")
RELEASE = re.compile(r"hashicorp/(google(?:-beta)?) provider version ([\d.]+)")
RESOURCE_TYPE = re.compile(r'static tfResourceType = "(\w+)"')
RESOURCE_CLASS = re.compile(r"^class (\w+) extends cdkt[fn]\.Terraform(Resource|DataSource) ", re.MULTILINE)
STORED_AS = re.compile(
    r"^ +(\w+): \{\n +value: [^\n]*\n +isBlock: false,\n +type: \"\w+\",\n +storageClassType: \"(\w+)\"", re.MULTILINE
)


class Source:
    """The generated text of one resource: its classes by name, and the values that its documentation allows."""

    def __init__(self, script: str, declarations: str) -> None:
        self.classes = dict(CLASS.findall(script))
        self.values: dict[tuple[str, str], list[str]] = {}
        for interface, body in INTERFACE.findall(declarations):
            for text in DOCUMENTED.findall(body):
                anchor, listed = re.search(r"\w+#(\w+)\}", text), VALUES.search(text)
                if anchor and listed:
                    owner = interface.removesuffix("Config")
                    self.values[owner, anchor.group(1)] = json.loads(listed.group(1))

    def block(self, name: str) -> Block:
        """The arguments and nested blocks that the class `name` describes."""
        attributes: Block = {}
        blocks: Block = {}
        for member, computed, optional, required, body in MEMBER.findall(self.classes[name]):
            given = optional == "true" or required == "true"
            nested = NESTED.search(body)
            if nested and nested.group(1) in self.classes and given:
                blocks[member] = self.nested_block(nested.group(1), nested.group(2), required == "true")
                continue
            attribute: Block = {"type": self.attribute_type(body)}
            flags = {"required": required, "optional": optional, "computed": computed}
            attribute |= {flag: True for flag, value in flags.items() if value == "true"}
            values = self.values.get((name.removesuffix("OutputReference"), member))
            if values and given:
                attribute["values"] = values
            attributes[member] = attribute
        return {"attributes": attributes, "blocks": blocks}

    def nested_block(self, name: str, is_set: str, required: bool) -> Block:
        if name.endswith("TimeoutsOutputReference"):
            return {"nesting": "single", "block": self.block(name)}
        nested: Block = {"nesting": "set" if is_set == "true" else "list"}
        if required:
            nested["min_items"] = 1
        if not is_set:  # the generator makes a list of what may be repeated, and one reference of what may not
            nested["max_items"] = 1
        element = name if not is_set else name.removesuffix("List") + "OutputReference"
        return nested | {"block": self.block(element)}

    def attribute_type(self, body: str) -> Any:
        """The attribute's type as terraform writes types in JSON."""
        nested = NESTED.search(body)
        if nested and nested.group(1) in self.classes:  # an object that the API fills in
            name = nested.group(1).removesuffix("List").removesuffix("OutputReference") + "OutputReference"
            members = MEMBER.findall(self.classes[name])
            fields = {member: self.attribute_type(inside) for member, *_, inside in members}
            return ["set" if nested.group(2) == "true" else "list", ["object", fields]]
        if nested:
            kind = nested.group(1)  # a helper class of the generator, as StringMap
            return GETTERS.get(kind, "dynamic")
        getter = GETTER.search(body)
        found = GETTERS.get(getter.group(2), "dynamic") if getter and getter.group(2) else "dynamic"
        return ["set", found[1]] if getter and getter.group(1) and isinstance(found, list) else found


def extract(package: tarfile.TarFile) -> dict[str, Any]:
    """The wanted types' schema and the provider's own arguments, from the package inside a wheel."""
    texts: dict[str, str] = {}
    for member in package:
        folder = "/".join(Path(member.name).parts[1:3])  # package/lib/google-storage-bucket/index.js
        if member.isfile() and folder in FOLDERS and member.name.endswith((".js", ".d.ts")):
            texts[member.name] = read(package, member)
    schema: dict[str, Any] = {"provider": {}, "resources": {}, "data_sources": {}}
    for folder in sorted({name.split("/")[2] for name in texts}):
        files = {name: text for name, text in texts.items() if name.split("/")[2] == folder}
        script = "\n".join(text for name, text in files.items() if name.endswith(".js"))
        if folder == "provider":
            arguments = {
                name: {"type": STORED[kind], "optional": True}
                for name, kind in sorted(STORED_AS.findall(script))
                if kind in STORED and not name.endswith("_custom_endpoint")
            }
            schema["provider"] = {"attributes": arguments, "blocks": {}}
            continue
        declarations = "\n".join(text for name, text in files.items() if name.endswith(".d.ts"))
        kind, owner = RESOURCE_TYPE.search(script), RESOURCE_CLASS.search(script)
        if not kind or not owner:
            raise SystemExit(f"{folder}: no class of a resource found; the generator's text has changed.")
        group = "resources" if owner.group(2) == "Resource" else "data_sources"
        schema[group][kind.group(1)] = Source(script, declarations).block(owner.group(1))
    return schema


def read(package: tarfile.TarFile, member: tarfile.TarInfo | str) -> str:
    body = package.extractfile(member)
    return body.read().decode() if body else ""


def write(wheel: Path) -> Path:
    """The schema's file for this wheel, one type a line so that the difference between two versions can be read."""
    with zipfile.ZipFile(wheel) as outer:
        inner = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(inner)), mode="r:gz") as package:
            schema = extract(package)
            named = RELEASE.search(read(package, "package/README.md"))
    if not named:
        raise SystemExit(f"{wheel}: the package's README no longer names the provider's version.")
    provider, version = named.groups()
    lines = [f'"provider_name": "{provider}"', f'"version": "{version}"', '"licence": "MPL-2.0"']
    lines += [f'"source": "PyPI {wheel.name}"', f'"provider": {compact(schema["provider"])}']
    for group in ("resources", "data_sources"):
        types = ",\n".join(f'"{name}": {compact(block)}' for name, block in sorted(schema[group].items()))
        lines.append(f'"{group}": {{\n{types}\n}}')
    target = FOLDER / f"{provider}-{version}.json"
    target.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    return target


def compact(block: Block) -> str:
    return json.dumps(block, separators=(",", ":"), sort_keys=True)


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        print(write(Path(argument)))  # noqa: T201 - a command
