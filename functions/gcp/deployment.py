"""Where the functions run, as whom, and who may call those that answer HTTP.

Nothing is read at import: the manifest gets expressions, which the Firebase CLI resolves when it deploys.
"""

from firebase_functions import params

# Offers the L4 GPUs of the runner, and Hosting can rewrite to it, so that everything stands in one region.
REGION = "us-east4"
# Of each function. Bounds what a flood of requests can cost: 320 at once for most operations, and the rest are told to
# come back. Cloud Run's own default is 100.
MAX_INSTANCES = 20

# Hosting calls functions as anybody does; API Gateway calls them with its own service account's ID token, and nobody
# else can. FRONT_DOOR stands in functions/.env and .env.PROJECT; a word that is neither door leaves the functions
# private.
INVOKER = str(params.StringParam("FRONT_DOOR").equals("hosting").then("public", "gateway@"))


def service_account(name: str) -> str:
    """The address of a service account of the project that is deployed to.

    In full: of `name@` alone the CLI (15.34) makes no address where it lets the account read secrets, nor where it lets
    a schedule call as it.
    """
    return f"{name}@{params.PROJECT_ID}.iam.gserviceaccount.com"
