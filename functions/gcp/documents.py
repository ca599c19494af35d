"""Reading documents that an admin may have edited by hand in the console."""

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from contracts import log

if TYPE_CHECKING:
    from google.cloud.firestore import DocumentSnapshot

Model = TypeVar("Model", bound=BaseModel)


def read_document(model: type[Model], document: "DocumentSnapshot[Any]", **known: object) -> Model | None:
    """What the document says, with `known` beside it, or None where there is none.

    A document that no longer is what it should be counts as missing, so that one slip of an admin takes one thing
    from its readers and not the whole list. The log names it and its wrong fields, never what they hold.
    """
    fields = fields_of(document)
    if fields is None:
        return None
    try:
        return model.model_validate(fields | known)
    except ValidationError as error:
        log.error("document_malformed", document=document.reference.path, fields=wrong_fields(error))
        return None


def fields_of(document: "DocumentSnapshot[Any]") -> dict[str, Any] | None:
    """The document's fields, None where there is none. They are the snapshot's own, and not to be changed.

    `to_dict` copies them first, each moment and each line of a dialogue: for a page of 20 scripts that is a seventh of
    the request's CPU (bench/warm).
    """
    fields: dict[str, Any] | None = document._data  # noqa: SLF001 (nothing public gives them without a copy)
    return fields


def wrong_fields(error: ValidationError) -> list[str]:
    """The names of a document's fields at fault, and not what they hold."""
    return sorted({".".join(map(str, each["loc"])) for each in error.errors(include_input=False)})
