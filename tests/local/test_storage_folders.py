"""The console's "Create folder" is an object without content whose name ends with a slash."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from google.cloud.storage import Bucket

FOLDERS = ["backgrounds/", "notes/deep/"]


@pytest.mark.parametrize("name", FOLDERS)
@pytest.mark.parametrize("order", ["folder first", "file first"])
def test_a_folder_lies_beside_what_is_in_it(bucket: "Bucket", name: str, order: str) -> None:
    contents = {name: b"", f"{name}one": b"1"}
    for each in sorted(contents, reverse=order == "file first"):
        bucket.blob(each).upload_from_string(contents[each])

    assert sorted(each.name for each in bucket.list_blobs()) == sorted(contents)
    assert {each: bucket.blob(each).download_as_bytes() for each in contents} == contents


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_is_taken_away_without_what_is_in_it(bucket: "Bucket", name: str) -> None:
    bucket.blob(name).upload_from_string(b"")
    bucket.blob(f"{name}one").upload_from_string(b"1")

    bucket.blob(name).delete()

    assert [each.name for each in bucket.list_blobs()] == [f"{name}one"]
    assert bucket.get_blob(name) is None
    assert bucket.blob(f"{name}one").download_as_bytes() == b"1"


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_may_be_made_twice(bucket: "Bucket", name: str) -> None:
    generations = []
    for _ in range(2):
        bucket.blob(name).upload_from_string(b"")
        made = bucket.get_blob(name)
        assert made is not None
        generations.append(made.generation)

    assert generations[0] < generations[1]
