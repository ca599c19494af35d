"""The base of everything that crosses from one deployment to the other."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Message(BaseModel):
    """A document or task body: snake_case here, camelCase in Firestore and on the wire.

    Unknown fields are ignored on reading, so that a newer peer's message is understood.
    """

    # Built at the first use, which most models of a process never have. Threads may use it at once: pydantic builds it
    # under a lock since 2.14.
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True, defer_build=True
    )

    def to_document(self) -> dict[str, object]:
        """The camelCase fields with Firestore's own types; datetimes stay datetimes."""
        return self.model_dump(by_alias=True)
