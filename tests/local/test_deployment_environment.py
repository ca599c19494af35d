"""Functions are not deployed without their environment."""

from pathlib import Path

import pytest

from local.addresses import ROOT
from local.deployment_environment import REQUIRED, EnvironmentFileError, check_environment_file

LINES = {
    "CORS_ORIGINS": "",
    "FRONT_DOOR": "api_gateway",
    "MEDIA_BUCKET": "b",
    "RENDER_QUEUE": "q",
    "RUNNER_URL": "https://r",
    "TASKS_SERVICE_ACCOUNT": "t@p",
}


def write(folder: Path, values: dict[str, str]) -> Path:
    path = folder / ".env.my-project"
    path.write_text("# Terraform's\n" + "".join(f"{name}={value}\n" for name, value in values.items()))
    return path


def test_the_lines_of_terraforms_output_are_enough(tmp_path: Path) -> None:
    check_environment_file(write(tmp_path, LINES))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFileError, match=r"\.env\.my-project is missing"):
        check_environment_file(tmp_path / ".env.my-project")


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("how", ["absent", "empty"])
def test_a_missing_value_is_refused_by_name(tmp_path: Path, name: str, how: str) -> None:
    values = {key: value for key, value in LINES.items() if key != name} | ({name: ""} if how == "empty" else {})
    with pytest.raises(EnvironmentFileError, match=f"lacks {name}\\."):
        check_environment_file(write(tmp_path, values))


def test_a_door_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFileError, match="neither hosting nor api_gateway"):
        check_environment_file(write(tmp_path, LINES | {"FRONT_DOOR": "gateway"}))


def test_terraforms_output_has_what_is_required() -> None:
    text = (ROOT / "terraform" / "outputs.tf").read_text()
    output = text[text.index('output "functions_environment"') :].partition("\n}\n")[0]
    assert [name for name in REQUIRED if f"    {name} " not in output] == []
