"""The service accounts that functions run as, against what Terraform grants.

tests/terraform/identities.json is that table; the tests of Terraform's plan hold it so.
"""

import json
import re
from collections import defaultdict

from local.addresses import ROOT
from tests.functions.deployment.conftest import GATEWAY, HOSTING, Deployment

TABLE = json.loads((ROOT / "tests" / "terraform" / "identities.json").read_text())
READS = "roles/secretmanager.secretAccessor on "
# Of these no function runs: the runner, and whose tokens the tasks carry.
NO_FUNCTIONS = {"gpu-runner", "tasks-invoker"}


def granted() -> dict[str, set[str]]:
    """The secrets that each service account of ours may read, in every deployment."""
    ours = {name: grants for name, grants in TABLE["always"].items() if re.fullmatch("[a-z-]+", name)}
    return {name: {each.removeprefix(READS) for each in grants if READS in each} for name, grants in ours.items()}


def needed(deployment: Deployment) -> dict[str, set[str]]:
    """The secrets that the functions of each service account are given."""
    secrets: dict[str, set[str]] = defaultdict(set)
    for each in deployment.functions[HOSTING].values():
        config = each["function"]["serviceConfig"]
        name, _, domain = config["serviceAccountEmail"].partition("@")
        assert domain == f"{HOSTING}.iam.gserviceaccount.com"
        secrets[name] |= {secret["secret"] for secret in config["secretEnvironmentVariables"]}
    return dict(secrets)


def test_every_account_of_a_function_is_made_by_terraform_and_every_other_is_known(deployment: Deployment) -> None:
    assert granted().keys() - NO_FUNCTIONS == needed(deployment).keys()


def test_an_account_may_read_the_secrets_of_its_functions_and_no_others(deployment: Deployment) -> None:
    assert {name: granted()[name] for name in needed(deployment)} == needed(deployment)


def test_the_gateway_that_may_call_is_an_account_of_terraforms(deployment: Deployment) -> None:
    callers = {caller for each in deployment.functions[GATEWAY].values() for caller in each["callers"] or []}
    names = {caller.removeprefix("serviceAccount:").partition("@")[0] for caller in callers}

    assert names == {"gateway"}
    assert any("gateway" in accounts for accounts in TABLE.values())
