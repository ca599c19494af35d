"""Prepares the next key of session tokens, and shows no key on the terminal or in the list of processes.

    python -m local.rotate_jwt_key                     the local cloud's: in force when it starts again
    PROJECT=my-project python -m local.rotate_jwt_key  that project's: files, and the commands that put them into force

docs/operations.md ("Rotate keys") says when, and why a project's rotation has three phases.
"""

import json
import os
import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path

from local.addresses import ROOT
from local.environment import LOCAL_SECRET_PREFIX, read_or_make_secrets, write_private
from local.operating import OperatingError, require_project_id

# As the deployment has it; what follows imports from there.
sys.path.insert(0, str(ROOT / "functions"))

from accounts.sessions import key_id
from contracts.environment import ConfigurationError
from gcp.settings import read_settings

_LOCAL_SECRETS = ROOT / ".local" / "state" / "secrets.json"
_FOLDER = Path(".local") / "rotate-jwt-key"
# What each phase makes of JWT_SECRET: the first key signs, both are accepted.
_FETCHED, _OLD_SIGNS, _NEW_SIGNS, _NEW_ALONE = "0-as-it-is", "1-old-signs", "2-new-signs", "3-new-alone"


def rotate_local(path: Path) -> str:
    """The local cloud's secrets have a new key that signs, and the one before it. What the user has now."""
    kept = read_or_make_secrets(path)
    old = kept["JWT_SECRET"].split()[0]
    new = LOCAL_SECRET_PREFIX + _new_key()
    write_private(path, json.dumps(kept | {"JWT_SECRET": f"{new} {old}"}, indent=2) + "\n")
    return "\n".join(
        [
            f"The local cloud has a new signing key (kid {key_id(new)}); tokens of the one before (kid {key_id(old)})",
            "stay good. It takes the keys up when it starts. If it runs:",
            "",
            "    make stop && make run",
        ]
    )


def prepare(project: str, root: Path, now: datetime) -> str:
    """The files of a project's rotation are there, once its present key has been fetched. The commands that come next.

    A rotation that was prepared is not prepared anew: its key may be in force already. Raises OperatingError.
    """
    require_project_id(project)
    folder = _FOLDER / project
    new_alone = root / folder / _NEW_ALONE
    if new_alone.exists():
        since = datetime.fromtimestamp(new_alone.stat().st_mtime, UTC)
        days = (now - since).days
        return f"This rotation was prepared {since:%Y-%m-%d %H:%M} UTC, {days} days ago.\n\n{_phases(project, folder)}"
    fetched = root / folder / _FETCHED
    if not fetched.exists():
        # The umask of the command keeps the file to its owner; the folder does so in any case.
        fetched.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return "\n".join(
            [
                "The rotation begins with the key as it is. Run this, which shows nothing:",
                "",
                f"    (umask 077; gcloud secrets versions access latest --secret=JWT_SECRET --project={project} \\",
                f"      > {folder / _FETCHED})",
                f"    make rotate-jwt-key PROJECT={project}",
            ]
        )
    old = _keys(project, fetched.read_text(), f"{folder / _FETCHED}; fetch it again")[0]
    new = _new_key()
    for name, text in ((_OLD_SIGNS, f"{old} {new}"), (_NEW_SIGNS, f"{new} {old}"), (_NEW_ALONE, new)):
        _keys(project, text, str(folder / name))
        write_private(root / folder / name, text)
    fetched.unlink()
    made = f"A new key is prepared (kid {key_id(new)}); the present one is kid {key_id(old)}."
    return f"{made}\n\n{_phases(project, folder)}"


def _phases(project: str, folder: Path) -> str:
    add = f"gcloud secrets versions add JWT_SECRET --project={project} --data-file={folder}"
    deploy = f"npx firebase deploy --project={project} --only functions"
    return "\n".join(
        [
            "After each deployment, a token from before it must still be good: GET /api/me answers 200.",
            "",
            "Phase 1, the old key signs and the new one is accepted:",
            "",
            f"    {add}/{_OLD_SIGNS}",
            f"    {deploy}",
            "",
            "Phase 2, as soon as all functions are deployed, the new key signs and the old one is accepted:",
            "",
            f"    {add}/{_NEW_SIGNS}",
            f"    {deploy}",
            "",
            "Phase 3, two days later, the new key alone; then no file is needed and every other version is disabled:",
            "",
            f"    {add}/{_NEW_ALONE}",
            f"    {deploy}",
            f"    rm -r {folder}",
            f"    gcloud secrets versions list JWT_SECRET --project={project}",
            f"    gcloud secrets versions disable VERSION --secret=JWT_SECRET --project={project}",
            "",
            "This changed nothing in the project. Next is the first command of the phase that has not been run.",
        ]
    )


def _keys(project: str, text: str, named: str) -> tuple[str, ...]:
    """The keys of the text, as the project's functions would read them. Raises OperatingError, without quoting any."""
    try:
        return read_settings({"GOOGLE_CLOUD_PROJECT": project, "JWT_SECRET": text}).jwt_secrets
    except ConfigurationError as error:
        raise OperatingError(f"{error}: {named}.") from error


def _new_key() -> str:
    return secrets.token_urlsafe(48)


def main() -> int:
    project = os.environ.get("PROJECT", "")
    try:
        if not project or project.startswith("demo-"):
            print(rotate_local(_LOCAL_SECRETS))
        else:
            print(prepare(project, ROOT, datetime.now(UTC)))
    except OperatingError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
