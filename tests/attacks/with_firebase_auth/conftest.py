"""The functions with Google's Auth emulator beside the Firestore emulator."""

from tests.functions.accounts.conftest import FirebaseAuth, auth, db, set_config

__all__ = ["FirebaseAuth", "auth", "db", "set_config"]
