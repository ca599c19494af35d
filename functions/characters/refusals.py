"""Why an uploaded file is not taken."""


class UploadRefused(Exception):
    """A file of a form is not what it must be. The message is for the client: it names the limit, never the content."""
