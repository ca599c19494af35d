"""Names of queues and tasks, as google.cloud.tasks_v2.types.Task.name describes them."""

import re

LOCATION = re.compile(r"projects/[A-Za-z0-9:.\-]+/locations/[a-z0-9\-]+")
QUEUE_ID = re.compile(r"[A-Za-z0-9\-]{1,100}")
TASK_ID = re.compile(r"[A-Za-z0-9_\-]{1,500}")
QUEUE = re.compile(rf"{LOCATION.pattern}/queues/{QUEUE_ID.pattern}")
TASK = re.compile(rf"(?P<queue>{QUEUE.pattern})/tasks/{TASK_ID.pattern}")


def last_part(name: str) -> str:
    """The id at the end of a full name."""
    return name.rpartition("/")[2]
