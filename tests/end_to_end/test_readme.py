"""The README's first call, made as it stands there."""

import json
import re
import shlex
from urllib.parse import urlsplit

import requests

from local.cloud import LocalCloud


def test_the_first_call_of_the_readme_signs_up(cloud: LocalCloud) -> None:
    found = re.search(r"^curl (?:.*\\\n)*.*$", (cloud.root / "README.md").read_text(), re.MULTILINE)
    assert found
    _curl, _silent, url, _header, header, _data, body = shlex.split(found[0].replace("\\\n", " "))
    assert urlsplit(url).port == cloud.ports.hosting

    answer = requests.post(url, data=body, headers=dict([header.split(": ")]), timeout=60)

    assert answer.status_code == 200, answer.text
    assert answer.json()["user"]["email"] == json.loads(body)["email"]
