"""Writes to more documents than one commit takes."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from google.cloud.firestore import Client, Query

# Firestore takes 500 writes in one commit.
AT_ONCE = 400


def delete_all(db: "Client", query: "Query") -> int:
    """No document is found by the query any more; how many were deleted. Safe to repeat and to break off."""
    deleted = 0
    while found := list(query.select([]).limit(AT_ONCE).stream()):
        batch = db.batch()
        for each in found:
            batch.delete(each.reference)
        batch.commit()
        deleted += len(found)
    return deleted
