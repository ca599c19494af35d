"""Queues, tasks and the names of finished tasks, on disk. A kill between any two lines loses no accepted task."""

import sqlite3
import threading
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from google.cloud import tasks_v2

STORE_FILE = "tasks.sqlite3"
SCHEMA = """
CREATE TABLE IF NOT EXISTS queues (name TEXT PRIMARY KEY, queue BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS tasks (
    name TEXT PRIMARY KEY, queue TEXT NOT NULL, schedule_seconds REAL NOT NULL, task BLOB NOT NULL,
    previous_http_status INTEGER, retry_reason TEXT NOT NULL DEFAULT '', execution_count INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS tasks_by_schedule ON tasks (queue, schedule_seconds);
CREATE TABLE IF NOT EXISTS tombstones (name TEXT PRIMARY KEY, until_seconds REAL NOT NULL);
"""
SELECT_TASK = "SELECT task, previous_http_status, retry_reason, execution_count FROM tasks WHERE name = ?"
SELECT_TASKS = (
    "SELECT task, previous_http_status, retry_reason, execution_count FROM tasks"
    " WHERE queue = ? AND name > ? ORDER BY name LIMIT ?"
)


class StoreInUseError(Exception):
    """Another emulator has this state folder."""


class TaskNameTakenError(Exception):
    """A task has this name, or had it until recently."""


@dataclass(frozen=True)
class StoredTask:
    """A task and what its next request's headers say of the attempts so far."""

    task: tasks_v2.Task
    previous_http_status: int | None
    retry_reason: str
    execution_count: int


class TaskStore:
    """Every method is one transaction and safe for threads.

    SQLite's write-ahead log with `synchronous=NORMAL`: a committed write outlives the process, though perhaps not a
    power cut.
    """

    def __init__(self, state_folder: Path, *, tombstone_lifetime: timedelta) -> None:
        """The store is open. Raises StoreInUseError when another process has it open."""
        self._lock = threading.Lock()
        self._tombstone_lifetime = tombstone_lifetime
        self._connection = sqlite3.connect(state_folder / STORE_FILE, timeout=0, check_same_thread=False)
        try:
            self._connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.executescript(SCHEMA)
        except sqlite3.OperationalError as error:
            self._connection.close()
            raise StoreInUseError(f"The state in {state_folder} is in use: {error}.") from error

    def close(self) -> None:
        """The file is closed and free for another process."""
        with self._lock:
            self._connection.close()

    def put_queue(self, queue: tasks_v2.Queue) -> None:
        """The queue exists with these settings; its state and purge time stay as they were."""
        with self._lock, self._connection:
            existing = self._find_queue(queue.name)
            if existing is not None:
                queue = tasks_v2.Queue(queue)
                queue.state = existing.state
                if existing.purge_time:
                    queue.purge_time = existing.purge_time
            self._write_queue(queue)

    def add_queue(self, queue: tasks_v2.Queue) -> bool:
        """True when the queue was added, False when one of this name exists."""
        with self._lock, self._connection:
            if self._find_queue(queue.name) is not None:
                return False
            self._write_queue(queue)
            return True

    def find_queue(self, name: str) -> tasks_v2.Queue | None:
        """The queue, or None."""
        with self._lock:
            return self._find_queue(name)

    def list_queues(self) -> list[tasks_v2.Queue]:
        """Every queue, by name."""
        with self._lock:
            rows = self._connection.execute("SELECT queue FROM queues ORDER BY name").fetchall()
        return [tasks_v2.Queue.deserialize(row[0]) for row in rows]

    def set_queue_state(self, name: str, state: int) -> tasks_v2.Queue | None:
        """The changed queue, or None when there is none."""
        with self._lock, self._connection:
            queue = self._find_queue(name)
            if queue is not None:
                queue.state = tasks_v2.Queue.State(state)
                self._write_queue(queue)
            return queue

    def purge_queue(self, name: str) -> tasks_v2.Queue | None:
        """The queue without its tasks, whose names stay taken for a while; None when there is none."""
        now = datetime.now(UTC)
        with self._lock, self._connection:
            queue = self._find_queue(name)
            if queue is None:
                return None
            queue.purge_time = now
            self._write_queue(queue)
            self._connection.execute(
                "INSERT OR REPLACE INTO tombstones SELECT name, ? FROM tasks WHERE queue = ?",
                (self._tombstone_end(now), name),
            )
            self._connection.execute("DELETE FROM tasks WHERE queue = ?", (name,))
            return queue

    def add_task(self, task: tasks_v2.Task, *, queue_name: str) -> None:
        """The task is on disk. Raises TaskNameTakenError when its name is that of a task or of a recent one."""
        with self._lock, self._connection:
            self._connection.execute(
                "DELETE FROM tombstones WHERE until_seconds <= ?", (datetime.now(UTC).timestamp(),)
            )
            taken = "SELECT 1 FROM tombstones WHERE name = ? UNION SELECT 1 FROM tasks WHERE name = ?"
            if self._connection.execute(taken, (task.name, task.name)).fetchone():
                raise TaskNameTakenError(task.name)
            self._connection.execute(
                "INSERT INTO tasks (name, queue, schedule_seconds, task) VALUES (?, ?, ?, ?)",
                (task.name, queue_name, task.schedule_time.timestamp(), tasks_v2.Task.serialize(task)),
            )

    def find_task(self, name: str) -> StoredTask | None:
        """The task, or None."""
        with self._lock:
            return self._find_task(name)

    def list_tasks(self, queue_name: str, *, after_name: str = "", limit: int = -1) -> list[StoredTask]:
        """The queue's tasks by name, from the one after `after_name`; all of them where the limit is negative."""
        with self._lock:
            rows = self._connection.execute(SELECT_TASKS, (queue_name, after_name, limit)).fetchall()
        return [StoredTask(tasks_v2.Task.deserialize(row[0]), *row[1:]) for row in rows]

    def find_next_scheduled(self, queue_name: str, *, excluded: AbstractSet[str]) -> tuple[str, float] | None:
        """Name and schedule time (Unix seconds) of the queue's earliest task that is not excluded."""
        query = "SELECT name, schedule_seconds FROM tasks WHERE queue = ? ORDER BY schedule_seconds, rowid LIMIT ?"
        with self._lock:
            rows = self._connection.execute(query, (queue_name, len(excluded) + 1)).fetchall()
        return next(((name, seconds) for name, seconds in rows if name not in excluded), None)

    def start_attempt(self, name: str, *, dispatch_time: datetime) -> StoredTask | None:
        """The task with one more dispatch counted; None when it is gone."""
        with self._lock, self._connection:
            stored = self._find_task(name)
            if stored is None:
                return None
            task = stored.task
            task.dispatch_count += 1
            task.last_attempt = tasks_v2.Attempt(schedule_time=task.schedule_time, dispatch_time=dispatch_time)
            if task.dispatch_count == 1:
                task.first_attempt = tasks_v2.Attempt(dispatch_time=dispatch_time)
            self._write_task(stored)
            return stored

    def reschedule_task(self, stored: StoredTask) -> bool:
        """The task as given replaces the one on disk; False when that one has been deleted meanwhile."""
        with self._lock, self._connection:
            return self._write_task(stored)

    def remove_task(self, name: str) -> bool:
        """The task is gone and its name taken for a while; False when there was none."""
        with self._lock, self._connection:
            if self._connection.execute("DELETE FROM tasks WHERE name = ?", (name,)).rowcount == 0:
                return False
            until = self._tombstone_end(datetime.now(UTC))
            self._connection.execute("INSERT OR REPLACE INTO tombstones VALUES (?, ?)", (name, until))
            return True

    def _tombstone_end(self, now: datetime) -> float:
        return (now + self._tombstone_lifetime).timestamp()

    def _find_queue(self, name: str) -> tasks_v2.Queue | None:
        row = self._connection.execute("SELECT queue FROM queues WHERE name = ?", (name,)).fetchone()
        return tasks_v2.Queue.deserialize(row[0]) if row else None

    def _write_queue(self, queue: tasks_v2.Queue) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO queues VALUES (?, ?)", (queue.name, tasks_v2.Queue.serialize(queue))
        )

    def _find_task(self, name: str) -> StoredTask | None:
        row = self._connection.execute(SELECT_TASK, (name,)).fetchone()
        return StoredTask(tasks_v2.Task.deserialize(row[0]), *row[1:]) if row else None

    def _write_task(self, stored: StoredTask) -> bool:
        task = stored.task
        cursor = self._connection.execute(
            "UPDATE tasks SET schedule_seconds = ?, task = ?, previous_http_status = ?, retry_reason = ?,"
            " execution_count = ? WHERE name = ?",
            (
                task.schedule_time.timestamp(),
                tasks_v2.Task.serialize(task),
                stored.previous_http_status,
                stored.retry_reason,
                stored.execution_count,
                task.name,
            ),
        )
        return cursor.rowcount == 1
