import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import openai
import pytest
import requests
from pydantic import BaseModel

from local.writer_server import make_server, topic_of

PROMPT = "Write a funny dialogue about a broken coffee machine"
ANNA_AND_BEN = [{"id": "char_1", "name": "Anna"}, {"id": "char_2", "name": "Ben"}]


class Line(BaseModel):
    speaker: str
    text: str


class Dialogue(BaseModel):
    dialogue: list[Line]


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    server = make_server(0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def client(base_url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key="a-key", base_url=f"{base_url}/v1", max_retries=0, timeout=10) as client:
        yield client


def ask(client: openai.OpenAI, *, prompt: str = PROMPT, characters: list[dict[str, str]] | None = None) -> Any:
    request = {"prompt": prompt, "characters": characters or ANNA_AND_BEN, "language": "en"}
    messages: list[Any] = [
        {"role": "system", "content": "You write dialogues."},
        {"role": "user", "content": json.dumps(request)},
    ]
    return client.chat.completions.parse(model="gpt-5", messages=messages, response_format=Dialogue)


def script(base_url: str, *answers: dict[str, Any]) -> requests.Response:
    return requests.put(f"{base_url}/development/answers", json=answers, timeout=5)


def calls(base_url: str) -> int:
    count: int = requests.get(f"{base_url}/development/calls", timeout=5).json()["calls"]
    return count


def test_two_characters_take_turns_for_six_lines(client: openai.OpenAI) -> None:
    dialogue = ask(client).choices[0].message.parsed.dialogue

    assert [line.speaker for line in dialogue] == ["char_1", "char_2"] * 3


@pytest.mark.parametrize(("characters", "lines"), [(1, 6), (2, 6), (3, 8), (8, 8), (12, 12)])
def test_up_to_twelve_characters_all_speak(client: openai.OpenAI, characters: int, lines: int) -> None:
    cast = [{"id": f"char_{number}", "name": f"Number {number}"} for number in range(characters)]

    dialogue = ask(client, characters=cast).choices[0].message.parsed.dialogue

    assert (len(dialogue), {line.speaker for line in dialogue}) == (lines, {character["id"] for character in cast})


def test_the_first_line_names_what_the_prompt_is_about(client: openai.OpenAI) -> None:
    assert "a broken coffee machine" in ask(client).choices[0].message.parsed.dialogue[0].text


def test_the_same_prompt_gives_the_same_dialogue(client: openai.OpenAI) -> None:
    assert ask(client).choices[0].message.content == ask(client).choices[0].message.content


def test_another_prompt_gives_another_dialogue(client: openai.OpenAI) -> None:
    other = ask(client, prompt="Two cats discuss the moon")

    assert other.choices[0].message.content != ask(client).choices[0].message.content


@pytest.mark.parametrize("prompt", ["x" * 5000, "{other} {0} %s", "Кофе и чай", " \n ?! ", "a" + " b" * 3000])
def test_every_line_has_one_to_four_hundred_characters(client: openai.OpenAI, prompt: str) -> None:
    dialogue = ask(client, prompt=prompt).choices[0].message.parsed.dialogue

    assert all(1 <= len(line.text) <= 400 for line in dialogue)


def test_create_answers_as_parse_does(client: openai.OpenAI) -> None:
    schema: Any = {"name": "dialogue", "strict": True, "schema": Dialogue.model_json_schema()}
    content = json.dumps({"prompt": PROMPT, "characters": ANNA_AND_BEN})

    answer = client.chat.completions.create(
        model="gpt-5",
        messages=[{"role": "user", "content": content}],
        response_format={"type": "json_schema", "json_schema": schema},
    )

    assert answer.choices[0].message.content == ask(client).choices[0].message.content


@pytest.mark.parametrize(
    ("content", "message"),
    [("write something", "no JSON"), ('{"prompt": "tea"}', "no JSON"), ('{"prompt": "", "characters": []}', "no JSON")],
)
def test_a_message_without_prompt_and_characters_is_refused(client: openai.OpenAI, content: str, message: str) -> None:
    with pytest.raises(openai.BadRequestError, match=message):
        client.chat.completions.parse(
            model="gpt-5", messages=[{"role": "user", "content": content}], response_format=Dialogue
        )


def test_a_request_without_a_schema_is_refused(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="json_schema"):
        client.chat.completions.create(model="gpt-5", messages=[{"role": "user", "content": "{}"}])


def test_a_request_without_a_key_is_refused(base_url: str) -> None:
    answer = requests.post(f"{base_url}/v1/chat/completions", json={}, timeout=5)

    assert answer.status_code == 401


def test_the_models_are_listed(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["development-writer"]


def test_a_scripted_content_is_answered_as_it_stands(client: openai.OpenAI, base_url: str) -> None:
    script(base_url, {"content": "not the JSON that was asked for"})
    messages: list[Any] = [{"role": "user", "content": json.dumps({"prompt": "tea", "characters": ANNA_AND_BEN})}]

    answer = client.chat.completions.create(
        model="gpt-5", messages=messages, response_format={"type": "json_schema", "json_schema": {"name": "dialogue"}}
    )

    assert answer.choices[0].message.content == "not the JSON that was asked for"


def test_a_scripted_error_is_answered_once(client: openai.OpenAI, base_url: str) -> None:
    script(base_url, {"status": 500})

    with pytest.raises(openai.InternalServerError):
        ask(client)
    assert len(ask(client).choices[0].message.parsed.dialogue) == 6


def test_a_scripted_rate_limit_is_the_clients_rate_limit(client: openai.OpenAI, base_url: str) -> None:
    script(base_url, {"status": 429})

    with pytest.raises(openai.RateLimitError):
        ask(client)


def test_a_scripted_refusal_is_no_dialogue(client: openai.OpenAI, base_url: str) -> None:
    script(base_url, {"refusal": "I can't help with that."})

    message = ask(client).choices[0].message

    assert (message.refusal, message.parsed) == ("I can't help with that.", None)


def test_a_scripted_delay_outlasts_a_short_timeout(client: openai.OpenAI, base_url: str) -> None:
    script(base_url, {"delaySeconds": 2})

    with pytest.raises(openai.APITimeoutError):
        ask(client.with_options(timeout=0.3))


def test_a_scripted_cut_answer_is_told_by_its_finish_reason(client: openai.OpenAI, base_url: str) -> None:
    script(base_url, {"content": '{"dialogue": [', "finishReason": "length"})

    with pytest.raises(openai.LengthFinishReasonError):
        ask(client)


def test_a_misspelt_script_is_refused(base_url: str) -> None:
    assert script(base_url, {"delay": 2}).status_code == 400


def test_every_asked_completion_counts(client: openai.OpenAI, base_url: str) -> None:
    before = calls(base_url)

    ask(client)
    ask(client)

    assert calls(base_url) == before + 2


@pytest.mark.parametrize(
    ("prompt", "topic"),
    [
        ("Create a conversation about climate change.", "climate change"),
        ("Tea\n  and   toast!", "Tea and toast"),
        ("Write about", "Write about"),
        ("word " * 40, "word word word word word word word word word word word word and so on"),
    ],
)
def test_the_topic_is_short_and_on_one_line(prompt: str, topic: str) -> None:
    assert topic_of(prompt) == topic


def test_the_command_announces_that_it_is_no_openai() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "local.writer_server", "--port", "0"], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        announced = server.stdout.readline()
        server.terminate()

    assert announced.startswith("development writer: fixed sentences, not OpenAI; http://127.0.0.1:")
