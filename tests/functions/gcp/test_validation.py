"""What clients are told of a body that is not as documented."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from gcp.validation import validation_details
from scripts.endpoints import GenerateScriptBody, UpdateScriptBody

LINE = {"speaker": "ann", "text": "Tea?"}
PROMPT = "A dialogue about tea."
CASES: list[tuple[type, dict[str, Any], list[tuple[list[str | int], str, str]]]] = [
    (
        UpdateScriptBody,
        {"dialogue": [LINE | {"text": ""}]},
        [(["dialogue", 0, "text"], "String should have at least 1 character", "string_too_short")],
    ),
    (
        UpdateScriptBody,
        {"dialogue": [LINE, LINE | {"text": "x" * 401}]},
        [(["dialogue", 1, "text"], "String should have at most 400 characters", "string_too_long")],
    ),
    (UpdateScriptBody, {"dialogue": [{"speaker": "ann"}]}, [(["dialogue", 0, "text"], "Field required", "missing")]),
    (UpdateScriptBody, {"dialogue": []}, [(["dialogue"], "List should have at least 1 item", "too_short")]),
    (UpdateScriptBody, {"dialogue": [LINE] * 101}, [(["dialogue"], "List should have at most 100 items", "too_long")]),
    (UpdateScriptBody, {"dialogue": "Tea?"}, [(["dialogue"], "Input should be a valid array", "list_type")]),
    (
        GenerateScriptBody,
        {"selectedCharacters": ["ann"], "prompt": PROMPT},
        [(["selectedCharacters"], "List should have at least 2 items", "too_short")],
    ),
    (
        GenerateScriptBody,
        {"selectedCharacters": ["ann", 1], "prompt": PROMPT},
        [(["selectedCharacters", 1], "Input should be a valid string", "string_type")],
    ),
    (
        GenerateScriptBody,
        {"selectedCharacters": ["ann", "ann"], "prompt": PROMPT},
        [(["selectedCharacters"], "each character can be chosen once", "value_error")],
    ),
    (
        GenerateScriptBody,
        {"selectedCharacters": ["ann"], "prompt": 5},
        [
            (["selectedCharacters"], "List should have at least 2 items", "too_short"),
            (["prompt"], "Input should be a valid string", "string_type"),
        ],
    ),
]


@pytest.mark.parametrize(("model", "body", "told"), CASES)
def test_each_fault_is_told_once_in_words_that_know_no_python(
    model: Any, body: dict[str, Any], told: list[tuple[list[str | int], str, str]]
) -> None:
    with pytest.raises(ValidationError) as refused:
        model.model_validate_json(json.dumps(body))

    found = validation_details(refused.value)

    assert [(each["loc"], each["msg"], each["type"]) for each in found] == [
        (["body", *loc], message, kind) for loc, message, kind in told
    ]
