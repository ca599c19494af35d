"""Initial tokens, given once per address: `grants/{hash}` tells that an address has had them, and outlives the account.

The hash is keyed, so that whoever reads the database cannot try addresses; nothing else in the document is personal.
"""

import hashlib
import hmac
import unicodedata
from datetime import datetime
from typing import TYPE_CHECKING

from contracts.message import Message

if TYPE_CHECKING:
    from google.cloud.firestore import Client, DocumentReference

# Both domains are one; dots in its addresses mean nothing (https://support.google.com/mail/answer/7436150).
_GMAIL = "gmail.com"
_GMAIL_DOMAINS = frozenset({_GMAIL, "googlemail.com"})


class Grant(Message):
    """That an address has had its initial tokens."""

    tokens: int
    created_at: datetime


def grant_reference(db: "Client", address_digest: str) -> "DocumentReference":
    return db.document("grants", address_digest)


def hash_address(email: str, key: str) -> str:
    """The keyed hash by which an address is known; the same for every way to write one mailbox's address."""
    return hmac.new(key.encode(), normalise_address(email).encode(), hashlib.sha256).hexdigest()


def normalise_address(email: str) -> str:
    """The address without what its owner may vary freely: letter case, a tag after "+", Gmail's dots and domains."""
    # Lower case may undo what NFKC composed, and the other way round; a second time changes nothing any more.
    lowered = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", email.strip()).lower())
    local, _, domain = lowered.rpartition("@")
    mailbox = local.partition("+")[0]
    if domain in _GMAIL_DOMAINS:
        mailbox, domain = mailbox.replace(".", ""), _GMAIL
    return f"{mailbox or local}@{domain}"
