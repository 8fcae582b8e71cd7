"""Delivery of the journal of a run to MLflow, at once or at intervals during training. `bench.runs.pending_writes` is for ended runs."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.core.errors import UserError
from bench.core.lock_check import LockLost, free
from bench.tracking import store
from bench.tracking.inputs import send_inputs
from bench.tracking.journal import DamagedJournal, RunJournal, Write
from bench.tracking.tags import LOGGED_ARTIFACTS

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)
RETRY_SECONDS = 10.0
PAUSE_RATIO = 20.0  # pause after a failed delivery, as a multiple of its duration, so that failures take at most 5 % of a run
TRY_SECONDS = 2.0  # limit of one delivery while training waits
REQUEST_SECONDS = 5  # timeout of one request while training waits
LONG_REQUEST_SECONDS = 30  # timeout of one request before and after training
MLFLOW_STATUS = {"finished": "FINISHED", "diverged": "FINISHED", "pruned": "KILLED", "interrupted": "KILLED", "failed": "FAILED"}


def public_uri(uri: str) -> str:
    """Return the URI of a store without user and password, to save to disk and to compare."""
    return store.redacted(uri).rstrip("/")


@contextmanager
def store_errors(uri: str) -> Iterator[None]:
    """Context manager that turns any error of a store into a UserError of one line."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # MLflow, requests and database drivers have no common base
        raise UserError(store.failure_line(error, uri)) from error


def send(client: MlflowClient, write: Write, file: Path | None) -> None:
    """Send one write to MLflow. A write may be sent twice, because MLflow stores equal points once and overwrites everything else.

    The list of logged artifacts is extended: a user may also log tables to the run.
    """
    from mlflow.entities import Metric, RunTag

    body = write.body
    match write.kind:
        case "points":
            metrics = [Metric(key, value, ms, images) for key, value, ms, images in body["points"]]
            client.log_batch(write.run_id, metrics=metrics, synchronous=True)
        case "tags":
            tags = _with_logged_artifacts(client, write.run_id, body["tags"])
            client.log_batch(write.run_id, tags=[RunTag(key, value) for key, value in tags.items()], synchronous=True)
        case "artifact":
            parent = str(Path(body["path"]).parent)
            client.log_artifact(write.run_id, str(file), None if parent == "." else parent)
        case "inputs":
            _send_inputs(client, write)
        case "end":
            client.set_terminated(write.run_id, MLFLOW_STATUS[body["status"]], body["ms"])


def _with_logged_artifacts(client: MlflowClient, run_id: str, tags: Mapping[str, str]) -> Mapping[str, str]:
    """Return tags whose list of logged artifacts, if they have one, also has the entries of the store, which come first."""
    if LOGGED_ARTIFACTS not in tags:
        return tags
    before = _entries(client.get_run(run_id).data.tags.get(LOGGED_ARTIFACTS, ""))
    new = [entry for entry in _entries(tags[LOGGED_ARTIFACTS]) if entry not in before]
    return {**tags, LOGGED_ARTIFACTS: json.dumps([*before, *new])}


def _entries(text: str) -> list[Any]:
    """Return the entries of a JSON list. Another text has none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return []
    return found if isinstance(found, list) else []


def _send_inputs(client: MlflowClient, write: Write) -> None:
    """Send the data of a run. If two processes record a new dataset at the same time, MLflow refuses one of them, so this tries twice."""
    try:
        send_inputs(client, write.run_id, write.body["inputs"])
    except Exception as error:  # each kind of store has other errors
        if not store.is_refusal(error):
            raise
        send_inputs(client, write.run_id, write.body["inputs"])


def deliver(
    client: MlflowClient, journal: RunJournal, *, points: int, check: Callable[[], None] = free, most_seconds: float = math.inf
) -> None:
    """Send the pending writes of a journal, but only the first `points` points, for at most `most_seconds`.

    Calls `check` before and after each write. A write that the store refuses permanently, or that is damaged, is set aside with a warning.

    Raises the errors of `check` and of a store that does not answer. Then the remaining writes stay in the journal.
    """
    started = time.monotonic()
    while (write := journal.next_write(points)) is not None and time.monotonic() - started < most_seconds:
        check()
        try:
            with journal.artifact_file(write) as file:
                send(client, write, file)
        except DamagedJournal as error:
            log.warning("%s of %s is set aside: %s", write.label, journal.name, error)
            journal.refuse(write)
        except Exception as error:  # each kind of store has other errors
            if not store.is_refusal(error):
                raise
            why = store.plain_error(error, client.tracking_uri)
            log.warning("the store refuses %s of %s permanently (%s)", write.label, journal.name, why)
            journal.refuse(write)
        else:
            check()  # sending may take long, and a new lock holder may have written an artifact of that path
            journal.acknowledge(write)


class DirectDelivery:
    """Delivery that sends writes at once, and points at the end of the run. Raises UserError if the store does not answer, or refuses a write."""

    def __init__(self, client: MlflowClient, journal: RunJournal) -> None:
        self.points = 0  # number of points that may be sent
        self._client, self._journal = client, journal

    def flush_if_due(self) -> None:
        """Send pending writes, and points only up to `self.points`."""
        with store_errors(self._client.tracking_uri):
            while (write := self._journal.next_write(self.points)) is not None:
                with self._journal.artifact_file(write) as file:
                    send(self._client, write, file)
                self._journal.acknowledge(write)

    def end(self) -> None:
        """Send all pending writes."""
        self.points = len(self._journal.points)
        self.flush_if_due()


class Delivery:
    """Delivery that sends a journal during training, and the remaining writes at the end. If the store does not answer, it tries again later.

    Every method calls `check` before it writes. `check` raises LockLost if another process holds the run lock.
    """

    def __init__(self, client: MlflowClient, journal: RunJournal, check: Callable[[], None]) -> None:
        self.points = 0  # number of points that may be sent
        self._client, self._journal, self._check = client, journal, check
        self._due = -math.inf
        self._unreachable = False

    def flush_if_due(self) -> None:
        """Send writes if it is time for the next delivery, and points only up to `self.points`."""
        self._check()
        self._journal.try_flush_to_disk()
        if time.monotonic() >= self._due:
            self._send(REQUEST_SECONDS, TRY_SECONDS)

    def end(self) -> None:
        """Save the journal of the ended run, and send all its pending writes. Log a warning with the number of those that remain."""
        self._check()
        with suppress(OSError):  # the journal stays in memory, and a warning is logged
            self._journal.save()
        self.points = len(self._journal.points)
        self._send(LONG_REQUEST_SECONDS, math.inf)
        self._check()
        name, where, sync = self._journal.name, *_display_path(self._journal.file)
        pending, refused = self._journal.pending, self._journal.refused
        try:
            self._journal.close()
        except OSError:
            if not self._journal.file.exists():
                uri = public_uri(self._client.tracking_uri)
                log.error("%d writes of %s are lost: neither %s nor the disk can store them", pending, name, uri)
                return
        if pending > refused:
            log.warning("%d writes of %s are pending in %s: run `%s` when the store answers again", pending - refused, name, where, sync)
        if refused:
            log.warning("the store refuses %d writes of %s, which are pending in %s: `%s` tries them again", refused, name, where, sync)

    def _send(self, request_seconds: int, most_seconds: float) -> None:
        started = time.monotonic()
        try:
            with store.short_timeout(request_seconds):
                deliver(self._client, self._journal, points=self.points, check=self._check, most_seconds=most_seconds)
            self._unreachable = False
        except LockLost:
            raise
        except Exception as error:  # each kind of store has other errors, and no error may stop a run
            duration = time.monotonic() - started
            self._due = time.monotonic() + max(RETRY_SECONDS, PAUSE_RATIO * duration)
            if not self._unreachable:
                uri = self._client.tracking_uri
                why = store.plain_error(error, uri)
                log.warning("%s does not answer (%s): ganbench sends the writes of %s later", public_uri(uri), why, self._journal.name)
            self._unreachable = True


def _display_path(file: Path) -> tuple[str, str]:
    """Return the path of a journal for messages, and the command that delivers it. Both are short if it is in the default folder."""
    runs, here = file.parents[2], Path.cwd()  # <runs>/<suite>/<fingerprint>/end-<run id>.json
    path = file.relative_to(here) if file.is_relative_to(here) else file
    return str(path), "ganbench sync" if runs == here / "runs" else f"ganbench sync --runs-dir {runs}"
