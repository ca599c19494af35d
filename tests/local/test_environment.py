import json
import stat
from pathlib import Path

import pytest

from gcp.settings import read_settings
from local.addresses import ROOT, Ports
from local.environment import process_environment, product_environment, read_or_make_secrets
from local.firebase_suite import SECRET_NAMES, firestore_jar_environment, write_function_secrets, write_local_config

SECRETS = {"JWT_SECRET": "local-development-" + "s" * 40, "WEB_API_KEY": "k"}


def test_tokens_outlive_a_restart_since_the_signing_key_is_kept(tmp_path: Path) -> None:
    first = read_or_make_secrets(tmp_path / "secrets.json")

    assert read_or_make_secrets(tmp_path / "secrets.json") == first


def test_a_state_of_an_older_version_gets_the_keys_that_it_lacks_and_keeps_its_own(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text(json.dumps(SECRETS))

    completed = read_or_make_secrets(tmp_path / "secrets.json")

    assert completed | SECRETS == completed
    assert read_settings({"GOOGLE_CLOUD_PROJECT": "demo-x", **completed}).address_hash_key
    assert read_or_make_secrets(tmp_path / "secrets.json") == completed


def test_two_states_have_different_signing_keys(tmp_path: Path) -> None:
    one = read_or_make_secrets(tmp_path / "one.json")
    other = read_or_make_secrets(tmp_path / "other.json")

    assert one["JWT_SECRET"] != other["JWT_SECRET"]


def test_the_secrets_file_is_the_owners_alone(tmp_path: Path) -> None:
    read_or_make_secrets(tmp_path / "secrets.json")

    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600


def test_the_product_takes_the_made_environment(tmp_path: Path) -> None:
    environment = product_environment(Ports(), read_or_make_secrets(tmp_path / "secrets.json"), {})

    settings = read_settings(environment)

    assert settings.is_local
    assert len(settings.jwt_secrets) == 1


def test_without_an_openai_key_the_development_writer_is_used() -> None:
    environment = product_environment(Ports(), SECRETS, {})

    assert environment["OPENAI_BASE_URL"] == "http://127.0.0.1:8700/v1"


def test_with_an_openai_key_the_real_writer_is_used() -> None:
    environment = product_environment(Ports(), SECRETS, {"OPENAI_API_KEY": "sk-real"})

    assert environment["OPENAI_API_KEY"] == "sk-real"
    assert "OPENAI_BASE_URL" not in environment


def test_a_named_voice_server_is_used() -> None:
    environment = product_environment(Ports(), SECRETS, {"F5_TTS_URL": "http://10.0.0.7:7860/"})

    assert environment["F5_TTS_URL"] == "http://10.0.0.7:7860/"


@pytest.mark.parametrize("name", ["PYTHONDONTWRITEBYTECODE", "GOOGLE_APPLICATION_CREDENTIALS", "PYTHONPATH"])
def test_a_part_does_not_see_what_would_spoil_it(name: str) -> None:
    assert name not in process_environment({name: "1", "PATH": "/usr/bin"})


def test_the_loopback_is_never_reached_through_a_proxy() -> None:
    environment = process_environment({"HTTP_PROXY": "http://proxy:3128", "NO_PROXY": "example.org"})

    assert environment["NO_PROXY"] == "example.org,127.0.0.1,localhost"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with our firebase.json, whose functions/venv is of Python 3.13."""
    (tmp_path / "functions" / "venv").mkdir(parents=True)
    (tmp_path / "functions" / "venv" / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.13.1\n")
    (tmp_path / "firebase.json").write_text((ROOT / "firebase.json").read_text())
    return tmp_path


def test_the_local_suite_runs_the_functions_under_the_python_of_their_venv(project: Path) -> None:
    config = json.loads(write_local_config(project, Ports()).read_text())

    assert [codebase["runtime"] for codebase in config["functions"]] == ["python313"]


def test_bytecode_that_a_function_writes_does_not_load_all_of_them_anew(project: Path) -> None:
    config = json.loads(write_local_config(project, Ports()).read_text())

    assert ["__pycache__" in codebase["ignore"] for codebase in config["functions"]] == [True]


def test_the_local_suite_listens_where_it_is_told(project: Path) -> None:
    config = json.loads(write_local_config(project, Ports().shifted(20_000)).read_text())

    assert config["emulators"]["hosting"] == {"host": "127.0.0.1", "port": 28_000}
    assert config["emulators"]["firestore"]["websocketPort"] == 29_150


def test_the_committed_configuration_has_the_deployed_runtime_and_the_default_ports() -> None:
    config = json.loads((ROOT / "firebase.json").read_text())

    assert config["functions"][0]["runtime"] == "python311"
    assert config["emulators"]["hosting"]["port"] == Ports().hosting


def test_the_functions_queue_emulator_outranks_the_suites_own(tmp_path: Path) -> None:
    write_function_secrets(tmp_path, product_environment(Ports(), SECRETS, {}))

    assert "CLOUD_TASKS_EMULATOR_HOST='127.0.0.1:8123'\n" in (tmp_path / ".secret.local").read_text()


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_the_cli_takes_the_name_of_each_secret(name: str) -> None:
    assert not name.startswith(("FIREBASE_", "X_GOOGLE_", "EXT_"))


def test_a_long_path_to_the_sdks_jar_is_wrapped_as_a_manifest_must_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import zipfile

    jar = tmp_path / ("deep" * 60) / "cloud-firestore-emulator.jar"
    monkeypatch.setattr("local.firebase_suite.cached_firestore_jar", lambda *_: None)
    monkeypatch.setattr("local.firebase_suite.sdk_firestore_jar", lambda: jar)

    variables = firestore_jar_environment(tmp_path, tmp_path)

    with zipfile.ZipFile(variables["FIRESTORE_EMULATOR_BINARY_PATH"]) as archive:
        manifest = archive.read("META-INF/MANIFEST.MF").decode()
    assert max(len(line) for line in manifest.split("\r\n")) <= 72
    assert jar.as_uri() in manifest.replace("\r\n ", "")
