import pytest

from contracts.environment import ConfigurationError
from gcp.settings import read_settings

EMULATOR_VARIABLES = [
    "FIRESTORE_EMULATOR_HOST",
    "FIREBASE_AUTH_EMULATOR_HOST",
    "STORAGE_EMULATOR_HOST",
    "CLOUD_TASKS_EMULATOR_HOST",
    "OIDC_CERTS_URL",
    "OPENAI_BASE_URL",
]


@pytest.mark.parametrize("name", EMULATOR_VARIABLES)
def test_a_real_project_refuses_an_emulators_address(name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        read_settings({"GOOGLE_CLOUD_PROJECT": "duologue-prod", name: "127.0.0.1:1"})


@pytest.mark.parametrize("name", EMULATOR_VARIABLES)
def test_a_demo_project_takes_an_emulators_address(name: str) -> None:
    assert read_settings({"GOOGLE_CLOUD_PROJECT": "demo-x", name: "127.0.0.1:1"}).get(name) == "127.0.0.1:1"


@pytest.mark.attacks
def test_a_real_project_refuses_a_local_signing_key() -> None:
    settings = read_settings({"GOOGLE_CLOUD_PROJECT": "prod", "JWT_SECRET": "local-development-" + "x" * 40})

    with pytest.raises(ConfigurationError, match="JWT_SECRET"):
        _ = settings.jwt_secrets


@pytest.mark.parametrize(
    "secret", ["x" * 31, "x" * 32 + " " + "y" * 31, " ", "x" * 32 + " " + "y" * 32 + " " + "z" * 32]
)
def test_a_short_signing_key_or_a_third_one_is_refused(secret: str) -> None:
    settings = read_settings({"GOOGLE_CLOUD_PROJECT": "prod", "JWT_SECRET": secret})

    with pytest.raises(ConfigurationError, match="JWT_SECRET"):
        _ = settings.jwt_secrets


def test_during_a_rotation_the_first_key_is_the_current_one() -> None:
    settings = read_settings({"GOOGLE_CLOUD_PROJECT": "prod", "JWT_SECRET": "n" * 32 + "\n" + "o" * 32 + "\n"})

    assert settings.jwt_secrets == ("n" * 32, "o" * 32)


def test_the_project_of_a_deployed_function_comes_from_its_firebase_config() -> None:
    assert read_settings({"FIREBASE_CONFIG": '{"projectId": "prod"}'}).project_id == "prod"


def test_no_project_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="GOOGLE_CLOUD_PROJECT"):
        read_settings({})


@pytest.mark.parametrize("text", ["-1", "11", "2 ", "two", "1.5", "٣"])
def test_trusted_hops_are_a_bounded_whole_number(text: str) -> None:
    with pytest.raises(ConfigurationError, match="TRUSTED_HOPS"):
        _ = read_settings({"GOOGLE_CLOUD_PROJECT": "demo-x", "TRUSTED_HOPS": text}).trusted_hops


def test_nothing_is_trusted_until_somebody_says_so() -> None:
    assert read_settings({"GOOGLE_CLOUD_PROJECT": "demo-x"}).trusted_hops == 0


@pytest.mark.parametrize("text", ["-1", "many", "1.5", "1000001", "٣"])
def test_initial_tokens_are_a_bounded_whole_number(text: str) -> None:
    settings = read_settings({"GOOGLE_CLOUD_PROJECT": "prod", "TOKENS_TO_GIVE": text})

    with pytest.raises(ConfigurationError, match="TOKENS_TO_GIVE"):
        _ = settings.tokens_to_give


def test_a_real_project_refuses_a_local_address_key() -> None:
    settings = read_settings({"GOOGLE_CLOUD_PROJECT": "prod", "ADDRESS_HASH_KEY": "local-development-" + "x" * 40})

    with pytest.raises(ConfigurationError, match="ADDRESS_HASH_KEY"):
        _ = settings.address_hash_key


@pytest.mark.parametrize("key", ["", " ", "x" * 31, " " + "x" * 31 + "\n"])
def test_a_missing_or_short_address_key_is_refused(key: str) -> None:
    settings = read_settings({"GOOGLE_CLOUD_PROJECT": "prod", "ADDRESS_HASH_KEY": key})

    with pytest.raises(ConfigurationError, match="ADDRESS_HASH_KEY"):
        _ = settings.address_hash_key


def test_a_line_break_after_the_address_key_is_none_of_it() -> None:
    assert (
        read_settings({"GOOGLE_CLOUD_PROJECT": "prod", "ADDRESS_HASH_KEY": "x" * 32 + "\n"}).address_hash_key
        == "x" * 32
    )


@pytest.mark.parametrize(
    ("variables", "is_behind_gateway"),
    [({}, False), ({"FRONT_DOOR": "hosting"}, False), ({"FRONT_DOOR": "api_gateway"}, True)],
    ids=["unsaid", "hosting", "api_gateway"],
)
def test_the_front_door_is_hosting_unless_another_is_named(
    variables: dict[str, str], *, is_behind_gateway: bool
) -> None:
    settings = read_settings({"GOOGLE_CLOUD_PROJECT": "prod"} | variables)

    assert settings.is_behind_gateway is is_behind_gateway


def test_an_unknown_front_door_is_refused() -> None:
    settings = read_settings({"GOOGLE_CLOUD_PROJECT": "prod", "FRONT_DOOR": "gateway"})

    with pytest.raises(ConfigurationError, match="FRONT_DOOR"):
        _ = settings.is_behind_gateway
