"""Where each part of the local cloud listens, always on the loopback."""

from dataclasses import dataclass, fields
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
# A project whose id starts with demo- has no resources at Google: the Firebase CLI asks nothing of Google for it, and
# the product honours emulator addresses for such projects only.
PROJECT_ID = "demo-duologue"
REGION = "us-east4"
BUCKET = "demo-duologue-media"
QUEUE = f"projects/{PROJECT_ID}/locations/{REGION}/queues/video-jobs"
TASKS_SERVICE_ACCOUNT = f"tasks-invoker@{PROJECT_ID}.iam.gserviceaccount.com"


@dataclass(frozen=True)
class Ports:
    """One TCP port for each listener. The scheduled functions use the ports from `scheduled` upwards."""

    hosting: int = 8000
    functions: int = 5001
    firestore: int = 8080
    firestore_websocket: int = 9150
    auth: int = 9099
    hub: int = 4400
    logging: int = 4500
    eventarc: int = 9299
    # The suite's own tasks emulator starts with the functions and serves Firebase task queues only: nobody calls it.
    suite_tasks: int = 9499
    storage: int = 9023
    tasks_grpc: int = 8123
    tasks_http: int = 8124
    scheduled: int = 8125
    runner: int = 8090
    voice: int = 7860
    writer: int = 8700

    def shifted(self, offset: int) -> "Ports":
        """The same ports, each higher by `offset`."""
        return Ports(**{field.name: getattr(self, field.name) + offset for field in fields(self)})

    def url(self, name: str) -> str:
        """The address of the listener `name`, with no slash at its end."""
        return f"http://{HOST}:{getattr(self, name)}"
