"""Having a script written, and reading, editing and deleting one's own."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field, StringConstraints

from contracts import log
from gcp.clients import firestore
from gcp.endpoint import Call, endpoint
from gcp.errors import NotFound, RateLimited, ValidationFailed, WriterFailed
from gcp.models import Answer, Body
from gcp.page import page_parameters, page_request, paged
from gcp.settings import settings
from gcp.text import prose_text
from gcp.wire import NoBody, WithHeaders
from scripts.audio_status import AudioStatusAnswer
from scripts.script import (
    MAX_CHARACTERS,
    MAX_LINES,
    MAX_PROMPT_LENGTH,
    MIN_CHARACTERS,
    MIN_PROMPT_LENGTH,
    DialogueLine,
    LineText,
    Script,
)
from scripts.script_view import ScriptAnswer

if TYPE_CHECKING:
    from characters.character import Character


def _distinct(ids: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(ids)) < len(ids):
        raise ValueError("each character can be chosen once")
    return ids


class GenerateScriptBody(Body):
    selected_characters: Annotated[
        tuple[str, ...],
        Field(min_length=MIN_CHARACTERS, max_length=MAX_CHARACTERS, json_schema_extra={"uniqueItems": True}),
        AfterValidator(_distinct),
    ]
    prompt: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=MIN_PROMPT_LENGTH, max_length=MAX_PROMPT_LENGTH),
        AfterValidator(prose_text),
    ]


class LineBody(Body):
    """A line as clients send it, often as they got it."""

    speaker: str
    text: LineText
    audio_file: object = Field(default=None, description="Ours to know: what is sent back is ignored.")


class UpdateScriptBody(Body):
    dialogue: Annotated[tuple[LineBody, ...], Field(min_length=1, max_length=MAX_LINES)]


class MyScripts(Answer):
    scripts: list[ScriptAnswer]
    user_tokens: int


class ScriptDeleted(Answer):
    message: str
    deleted_media_files: list[str]
    deleted_count: int


@endpoint(body=GenerateScriptBody, answer=ScriptAnswer, refuses=(NotFound, RateLimited, WriterFailed), idempotent=True)
def generate_script(call: Call[GenerateScriptBody]) -> ScriptAnswer:
    """POST /api/scripts/generate, the user: a new script written by the language model.

    422 also for characters that do not exist, are hidden or named twice; 502 when the model gave no usable dialogue;
    404 when the Idempotency-Key's script is deleted since.
    """
    from gcp.idempotency import begin, given_back_unless_made, key_of
    from scripts.store import create_script, find_own_script

    db = firestore()
    key = key_of(db, call, "generate_script")
    attempt = begin(db, key, now=datetime.now(UTC))
    if attempt.is_repeat:
        return _answers([find_own_script(db, attempt.resource_id, call.caller.id)])[0]
    with given_back_unless_made(db, key):
        script = _written(call, attempt.resource_id)
        create_script(db, script, key)
    log.info("script_created", script_id=script.id, user_id=call.caller.id, request_id=call.request_id)
    return ScriptAnswer.of(script, None, settings().jwt_secrets, script.created_at)


def _written(call: Call[GenerateScriptBody], script_id: str) -> Script:
    """The script with a dialogue that the language model wrote."""
    from characters.store import find_characters
    from config.platform import effective_config
    from gcp.clients import openai
    from limits.rate_limits import spend
    from scripts.dialogue_writer import DEFAULT_MODEL, write_dialogue

    db, body = firestore(), call.body
    found = find_characters(db, body.selected_characters)
    names = _names_of_visible(body.selected_characters, found, call.caller.id)
    config = effective_config(db)
    spend(
        db,
        "generate_script",
        call.caller.id,
        most=config.scripts_per_hour,
        window=timedelta(hours=1),
        now=datetime.now(UTC),
        message=f"At most {config.scripts_per_hour} scripts can be written in an hour; try again later.",
    )
    model = config.writer_model or settings().get("OPENAI_MODEL", DEFAULT_MODEL)
    dialogue = write_dialogue(openai(), model, body.prompt, names)
    now = datetime.now(UTC)
    return Script(
        id=script_id,
        owner_id=call.caller.id,
        selected_characters=body.selected_characters,
        original_prompt=body.prompt,
        dialogue=dialogue,
        created_at=now,
        updated_at=now,
    )


@endpoint(answer=MyScripts, query=page_parameters(), refuses=(ValidationFailed,))
def list_my_scripts(call: Call[NoBody]) -> WithHeaders:
    """GET /api/my-scripts, the user: the caller's scripts, the newest first, and balance."""
    from scripts.store import list_scripts

    page = list_scripts(firestore(), call.caller.id, page_request(call.query)).map(_answers)
    return paged(MyScripts(scripts=page.items, user_tokens=call.caller.tokens), page.next_token)


@endpoint(answer=ScriptAnswer, refuses=(NotFound,))
def get_script(call: Call[NoBody]) -> ScriptAnswer:
    """GET /api/scripts/{scriptId}, the owner: one script."""
    from scripts.store import find_own_script

    return _answers([find_own_script(firestore(), call.path["scriptId"], call.caller.id)])[0]


@endpoint(answer=AudioStatusAnswer, refuses=(NotFound,))
def get_audio_status(call: Call[NoBody]) -> AudioStatusAnswer:
    """GET /api/scripts/{scriptId}/audio-status, the owner: how many of the dialogue's lines have their audio."""
    from scripts.store import find_own_script
    from videos.jobs import find_job

    db = firestore()
    script = find_own_script(db, call.path["scriptId"], call.caller.id)
    return AudioStatusAnswer.of(script, find_job(db, script.video_job_id) if script.video_job_id else None)


@endpoint(body=UpdateScriptBody, answer=ScriptAnswer, refuses=(NotFound,))
def update_script(call: Call[UpdateScriptBody]) -> ScriptAnswer:
    """PUT /api/scripts/{scriptId}, the owner: the script with these lines instead of its own.

    422 also for a speaker who is not among the script's characters. A video that is being made keeps its own lines.
    """
    from scripts.store import update_dialogue

    script = update_dialogue(
        firestore(),
        script_id=call.path["scriptId"],
        owner_id=call.caller.id,
        lines=[DialogueLine(speaker=line.speaker, text=line.text) for line in call.body.dialogue],
        now=datetime.now(UTC),
    )
    return _answers([script])[0]


@endpoint(answer=ScriptDeleted, refuses=(NotFound,))
def delete_script(call: Call[NoBody]) -> ScriptDeleted:
    """DELETE /api/scripts/{scriptId}, the owner: the script is gone, its media is listed for deletion.

    A video of it that is being made is cancelled, and what that held is free.
    """
    from scripts.store import delete_script as delete
    from videos.jobs import settle_and_log

    db, now, script_id = firestore(), datetime.now(UTC), call.path["scriptId"]
    deleted = delete(db, script_id=script_id, owner_id=call.caller.id, now=now)
    if deleted.cancelled_job_id:
        settle_and_log(db, deleted.cancelled_job_id, now)
    return ScriptDeleted(
        message=f"Script '{script_id}' deleted successfully",
        deleted_media_files=list(deleted.object_names),
        deleted_count=len(deleted.object_names),
    )


def _names_of_visible(ids: Sequence[str], found: "Mapping[str, Character]", user_id: str) -> dict[str, str]:
    """The characters' names by id, in this order. Raises ValidationFailed unless the user may see all of them."""
    if not all(each in found and found[each].is_visible_to(user_id) for each in ids):
        raise ValidationFailed.of("selectedCharacters", "There is no character of one of these ids.")
    return {each: found[each].display_name for each in ids}


def _answers(scripts: Sequence[Script]) -> list[ScriptAnswer]:
    """The scripts as clients see them, with their newest jobs read at once, so that no two answers disagree."""
    from videos.jobs import find_jobs

    jobs = find_jobs(firestore(), [script.video_job_id for script in scripts if script.video_job_id])
    secrets, now = settings().jwt_secrets, datetime.now(UTC)
    return [ScriptAnswer.of(script, jobs.get(script.video_job_id or ""), secrets, now) for script in scripts]
