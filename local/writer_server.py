"""A development writer: answers OpenAI's chat completions with a plain dialogue about the prompt.

    python -m local.writer_server --port 8700

POST /v1/chat/completions (not streamed, response_format json_schema) and GET /v1/models are what the openai package
is given. The last user message has to be a JSON document {"prompt", "characters": [{"id", "name"}]}; the answer's
content is {"dialogue": [{"speaker": id, "text"}]}, the same for the same prompt and characters.

For tests: PUT /development/answers takes a list of scripted answers, used up one a call before anything is written
(ScriptedAnswer); GET /development/calls answers {"calls": how many completions were asked for since the start}.
"""

import argparse
import hashlib
import json
import random
import re
import threading
import time
import uuid
from collections import deque
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from local.addresses import HOST, Ports

if TYPE_CHECKING:
    from flask import Flask
    from werkzeug.serving import BaseWSGIServer

ANNOUNCEMENT = "development writer: fixed sentences, not OpenAI"
LONGEST_TOPIC_CHARACTERS = 60
LONGEST_LINE_CHARACTERS = 400
USUAL_LINES = 6
LINES_FOR_A_GROUP = 8
MOST_LINES = 12

# "Write a funny dialogue about tea" is about tea.
REQUEST_WORDS = re.compile(
    r"^\s*(please\s+)?(write|create|make|generate)\b.{0,60}?\b(about|on|where|in which)\s+", re.IGNORECASE | re.DOTALL
)

OPENINGS = (
    "Hello {other}. Today we talk about {topic}.",
    "Good to see you, {other}. Our subject is {topic}.",
    "Do you have a minute, {other}? It is about {topic}.",
)
MIDDLES = (
    "I have thought about it all week.",
    "That is a good place to begin.",
    "What would you tell somebody who has never heard of it?",
    "I would start small and see what happens.",
    "Most people change their mind twice about {topic}.",
    "And what did you find out, {other}?",
    "It is simpler than it looks.",
    "I am not so sure about that.",
    "Then let us look at it from the other side.",
    "Somebody should write that down.",
)
CLOSINGS = (
    "Then we agree. Thank you, {other}.",
    "That is all about {topic} for today.",
    "Let us go on tomorrow, {other}.",
)


class Character(BaseModel):
    id: str = Field(min_length=1)
    name: str = ""


class DialogueRequest(BaseModel):
    """What the product asks for, as far as the writer needs to know."""

    prompt: str = Field(min_length=1)
    characters: list[Character] = Field(min_length=1)


class ScriptedAnswer(BaseModel):
    """What one call gets: after the delay an error status, a refusal, this content, or else a written dialogue."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel)

    delay_seconds: Annotated[float, Field(ge=0, le=600)] = 0
    status: Annotated[int, Field(ge=400, le=599)] | None = None
    refusal: str | None = None
    content: str | None = None
    finish_reason: Literal["stop", "length", "content_filter"] = "stop"


class UnreadableRequestError(ValueError):
    """The request is not one that the writer understands; its message says what is missing."""


class Desk:
    """The scripted answers still to give and the number of calls so far."""

    def __init__(self) -> None:
        self._answers: deque[ScriptedAnswer] = deque()
        self._calls = 0
        self._lock = threading.Lock()

    def calls(self) -> int:
        with self._lock:
            return self._calls

    def replace_answers(self, answers: list[ScriptedAnswer]) -> None:
        with self._lock:
            self._answers = deque(answers)

    def next_answer(self) -> ScriptedAnswer:
        """The answer to the call that is now counted."""
        with self._lock:
            self._calls += 1
            return self._answers.popleft() if self._answers else ScriptedAnswer()


def topic_of(prompt: str) -> str:
    """What the prompt is about, on one line of at most 60 characters, without a full stop at its end."""
    words = " ".join(REQUEST_WORDS.sub("", prompt).split()) or " ".join(prompt.split())
    if len(words) > LONGEST_TOPIC_CHARACTERS:
        shortened = words[: LONGEST_TOPIC_CHARACTERS + 1].rpartition(" ")[0] or words[:LONGEST_TOPIC_CHARACTERS]
        words = shortened + " and so on"
    return words.rstrip(" .!?,;:") or "this and that"


def write_dialogue(request: DialogueRequest) -> list[dict[str, str]]:
    """Six lines in turns, eight or more for a group; up to twelve characters all speak."""
    characters = request.characters
    count = USUAL_LINES if len(characters) <= 2 else min(max(LINES_FOR_A_GROUP, len(characters)), MOST_LINES)
    chooser = random.Random(hashlib.sha256(request.model_dump_json().encode()).digest())
    sentences = [chooser.choice(OPENINGS), *chooser.sample(MIDDLES, count - 2), chooser.choice(CLOSINGS)]
    topic = topic_of(request.prompt)
    lines = []
    for index, sentence in enumerate(sentences):
        other = characters[(index + 1) % len(characters)].name if len(characters) > 1 else ""
        text = sentence.format(other=" ".join(other.split())[:LONGEST_TOPIC_CHARACTERS] or "friend", topic=topic)
        lines.append({"speaker": characters[index % len(characters)].id, "text": text[:LONGEST_LINE_CHARACTERS]})
    return lines


def read_request(body: Any) -> DialogueRequest:
    """The dialogue asked for in a chat completion's body.

    Raises UnreadableRequestError where OpenAI, or the product's agreement with this writer, wants something else.
    """
    if not isinstance(body, dict) or not isinstance(body.get("messages"), list) or not body.get("model"):
        raise UnreadableRequestError("model and messages are needed")
    if body.get("stream"):
        raise UnreadableRequestError("this writer does not stream")
    response_format = body.get("response_format")
    if not isinstance(response_format, dict) or response_format.get("type") != "json_schema":
        raise UnreadableRequestError("response_format has to be a json_schema")
    contents = [message.get("content") for message in body["messages"] if message.get("role") == "user"]
    content = contents[-1] if contents else ""
    if isinstance(content, list):
        content = "".join(part.get("text", "") for part in content)
    try:
        return DialogueRequest.model_validate_json(content or "")
    except ValidationError as error:
        raise UnreadableRequestError("the last user message is no JSON with prompt and characters") from error


def completion(*, model: str, content: str | None, refusal: str | None, finish_reason: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content, "refusal": refusal},
                "logprobs": None,
                "finish_reason": finish_reason,
            }
        ],
        "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
    }


def failure(status: int, message: str) -> tuple[dict[str, Any], int]:
    """OpenAI's error body."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}, status


def build_app(desk: Desk) -> "Flask":
    from flask import Flask, request  # noqa: PLC0415 - the dialogue can be written without a server

    app = Flask(__name__)

    @app.post("/v1/chat/completions")
    def complete() -> dict[str, Any] | tuple[dict[str, Any], int]:
        if not request.headers.get("Authorization", "").removeprefix("Bearer ").strip():
            return failure(401, "You didn't provide an API key.")
        answer = desk.next_answer()
        time.sleep(answer.delay_seconds)
        print(json.dumps({"event": "dialogue_asked_for", "status": answer.status or 200}), flush=True)
        if answer.status is not None:
            return failure(answer.status, "a scripted error")
        body: Any = request.get_json(silent=True)
        try:
            asked = read_request(body)
        except UnreadableRequestError as error:
            return failure(400, str(error))
        content = answer.content
        if content is None and answer.refusal is None:
            content = json.dumps({"dialogue": write_dialogue(asked)}, ensure_ascii=False)
        return completion(
            model=body["model"], content=content, refusal=answer.refusal, finish_reason=answer.finish_reason
        )

    @app.get("/v1/models")
    def list_models() -> dict[str, Any]:
        model = {"id": "development-writer", "object": "model", "created": 0, "owned_by": "development"}
        return {"object": "list", "data": [model]}

    @app.put("/development/answers")
    def replace_answers() -> tuple[dict[str, Any], int]:
        try:
            answers = TypeAdapter(list[ScriptedAnswer]).validate_json(request.get_data())
        except ValidationError as error:
            return failure(400, str(error))
        desk.replace_answers(answers)
        return {"answers": len(answers)}, 200

    @app.get("/development/calls")
    def count_calls() -> dict[str, int]:
        return {"calls": desk.calls()}

    return app


def make_server(port: int) -> "BaseWSGIServer":
    """A server with an empty desk that already listens; port 0 takes a free one (server_port)."""
    from werkzeug import serving  # noqa: PLC0415 - as above

    class QuietRequestHandler(serving.WSGIRequestHandler):
        """No access log: one JSON line a completion is enough."""

        def log_request(self, *_: object) -> None:
            return

    return serving.make_server(HOST, port, build_app(Desk()), threaded=True, request_handler=QuietRequestHandler)


def main() -> None:
    parser = argparse.ArgumentParser(description=ANNOUNCEMENT)
    parser.add_argument("--port", type=int, default=Ports.writer)
    server = make_server(parser.parse_args().port)
    print(f"{ANNOUNCEMENT}; http://{HOST}:{server.server_port}/v1", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
