"""What Cloud Storage tells functions of: objects of the library's folder whose content is there, or gone.

The Firebase suite hears of nothing that happens in another storage than its own, which does not run here. It does serve
the functions that wait for storage events, and they are called where its own storage would call them. An event is kept
on disk until each of them has answered 200, so that it comes at least once, also after a kill; and now and then twice.
"""

import contextlib
import datetime as dt
import http.client
import json
import os
import threading
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gcp_storage_emulator.storage import Storage

from local.addresses import PROJECT_ID

FOLDER = "backgrounds/"  # of contracts.background; nobody waits for events of other objects
_FIRST_RETRY_SECONDS = 0.5
_LAST_RETRY_SECONDS = 5.0
_CALL_SECONDS = 70.0  # more than a trigger's timeout
FINALIZED = "google.cloud.storage.object.v1.finalized"
DELETED = "google.cloud.storage.object.v1.deleted"


class StorageEvents:
    """The events that are still to be delivered, and their delivery to the functions of a suite."""

    def __init__(self, folder: Path, functions_url: str) -> None:
        """`functions_url` is the Functions emulator's address; `folder` outlives the process."""
        self._folder = folder
        self._functions_url = functions_url
        self._added = threading.Event()
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, kind: str, stored: Mapping[str, Any]) -> None:
        """The event will be delivered. `stored` is the object as Cloud Storage describes it."""
        now = dt.datetime.now(dt.UTC)
        event = {
            "specversion": "1.0",
            "id": uuid.uuid4().hex,
            "type": kind,
            "source": f"//storage.googleapis.com/projects/_/buckets/{stored['bucket']}",
            "subject": f"objects/{stored['name']}",
            "time": now.isoformat().replace("+00:00", "Z"),
            "datacontenttype": "application/json",
            "data": dict(stored),
        }
        path = self._folder / f"{now.timestamp():020.6f}-{event['id']}.json"
        unfinished = path.with_suffix(".tmp")
        unfinished.write_text(json.dumps(event))
        unfinished.replace(path)
        self._added.set()

    def start(self) -> None:
        """Events are delivered from now on, for as long as the process lives."""
        threading.Thread(target=self._deliver_for_ever, name="storage-events", daemon=True).start()

    def _deliver_for_ever(self) -> None:
        retry_seconds = _FIRST_RETRY_SECONDS
        while True:
            self._added.clear()
            if self.deliver():
                retry_seconds = _FIRST_RETRY_SECONDS
                self._added.wait()
            else:
                self._added.wait(retry_seconds)
                retry_seconds = min(2 * retry_seconds, _LAST_RETRY_SECONDS)

    def deliver(self) -> bool:
        """Whether every event that was there has been taken; those that were not stay for another time."""
        left = False
        for path in sorted(self._folder.glob("*.json")):
            event = json.loads(path.read_text())
            try:
                functions = self._waiting_for(event["type"], event["data"]["bucket"])
                taken = bool(functions) and all(self._call(function, event) for function in functions)
            except (OSError, http.client.HTTPException, ValueError):
                taken = False  # the suite does not answer, or not yet
            if taken:
                path.unlink(missing_ok=True)
            left = left or not taken
        return not left

    def _waiting_for(self, kind: str, bucket: str) -> list[str]:
        """The ids of the suite's functions for such events of the bucket."""
        status, body = self._request("GET", "/backends", b"", {})
        if status != 200:
            return []
        triggers = [each for backend in json.loads(body)["backends"] for each in backend["functionTriggers"]]
        return [
            each["id"]
            for each in triggers
            if each.get("eventTrigger", {}).get("eventType") == kind and each["eventTrigger"]["resource"] == bucket
        ]

    def _call(self, function: str, event: Mapping[str, Any]) -> bool:
        # The number counts how often the suite was told to forget its triggers, which nobody does here.
        path = f"/functions/projects/{PROJECT_ID}/triggers/{function}-0"
        headers = {"Content-Type": "application/cloudevents+json; charset=UTF-8"}
        status, _ = self._request("POST", path, json.dumps(event).encode(), headers)
        _log("storage_event_sent", function=function, type=event["type"], object=event["subject"], status=status)
        return status == 200

    def _request(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        address = urlsplit(self._functions_url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=_CALL_SECONDS)
        with contextlib.closing(connection):
            connection.request(method, path, body=body, headers=dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read()


def tell_events(storage: Storage, events: StorageEvents) -> None:
    """From now on the storage's changes in the library's folder become events, before their requests are answered."""
    create_file, delete_file = storage.create_file, storage.delete_file

    def stored(bucket: str, name: str) -> Mapping[str, Any] | None:
        return storage.objects.get(bucket, {}).get(name) if name.startswith(FOLDER) else None

    def create(bucket: str, name: str, content: bytes, described: Mapping[str, Any], upload_id: str = "") -> None:
        replaced = stored(bucket, name)
        create_file(bucket, name, content, described, upload_id)
        if now := stored(bucket, name):
            events.add(FINALIZED, now)
        if replaced:
            events.add(DELETED, replaced)

    def delete(bucket: str, name: str) -> None:
        deleted = stored(bucket, name)
        delete_file(bucket, name)
        if deleted:
            events.add(DELETED, deleted)

    storage.create_file, storage.delete_file = create, delete


def _log(event: str, **fields: object) -> None:
    now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
    print(json.dumps({"time": now, "event": event, "pid": os.getpid(), **fields}), flush=True)
