"""What the user's log says of an entry of the ledger."""

from datetime import timedelta

from activities.activity import Activity, ActivityType
from tokens.balance import tokens_text
from tokens.ledger import LedgerEntry


def entry_activity(entry: LedgerEntry) -> Activity | None:
    """The activity of a grant or an adjustment; None for an entry that changed no balance, or is a video's."""
    if entry.kind == "grant" and entry.tokens:
        # The log is ordered by time, and the first tokens follow from the sign-up at the same moment.
        granted_at = entry.created_at + timedelta(microseconds=1)
        message = f"{tokens_text(entry.tokens)} granted"
        return Activity(type=ActivityType.TOKENS_GRANTED, message=message, timestamp=granted_at)
    if entry.kind == "adjustment":
        done = "added" if entry.tokens > 0 else "removed"
        message = f"{tokens_text(abs(entry.tokens))} {done}: {entry.reason}"
        return Activity(type=ActivityType.TOKENS_ADJUSTED, message=message, timestamp=entry.created_at)
    return None
