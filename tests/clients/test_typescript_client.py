"""A client generated from the API document by npm's openapi-typescript compiles strictly, and only when it is right."""

import json
import re
from collections.abc import Iterator

import pytest

from local.addresses import ROOT
from tests.clients.typescript import BUILD, FOLDER, compiled, write_types

# What is right in the program, and a change that a compiler should refuse.
WRONG = {
    "missing_field": ('email, password: "a good password"', "email"),
    "text_for_a_number": ("speed: 1.1", 'speed: "1.1"'),
    "number_for_a_text": ("body: { backgroundVideo: background }", "body: { backgroundVideo: 5 }"),
    "unknown_field_of_an_answer": ('job.status === "failed"', 'job.state === "failed"'),
}


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """How often the compiler complains of the program, and of each wrong one; all are compiled at once."""
    write_types()
    folder = tmp_path_factory.mktemp("typescript")
    text = (FOLDER / "main_job.mts").read_text()
    # Inside the checkout, where the packages are found.
    programs = {name: BUILD / f"{name}_{folder.name}.mts" for name in WRONG}
    for name, (right, wrong) in WRONG.items():
        assert right in text
        programs[name].write_text(text.replace(right, wrong, 1).replace("./build/", "./"))
    options = json.loads((FOLDER / "tsconfig.json").read_text())["compilerOptions"]
    options |= {"typeRoots": [str(ROOT / "node_modules/@types")]}
    files = [str(FOLDER / "main_job.mts"), *map(str, programs.values())]
    project = folder / "tsconfig.json"
    project.write_text(json.dumps({"compilerOptions": options, "files": files}))
    said = compiled(project, "--noEmit", "--strict")
    yield {name: len(re.findall(rf"{name}\S*: error TS", said)) for name in ("main_job", *WRONG)}
    for program in programs.values():
        program.unlink()


def test_the_main_jobs_calls_compile_strictly(complaints: dict[str, int]) -> None:
    assert complaints["main_job"] == 0


@pytest.mark.parametrize("name", WRONG)
def test_the_types_refuse_a_wrong_call(complaints: dict[str, int], name: str) -> None:
    assert complaints[name] == 1
