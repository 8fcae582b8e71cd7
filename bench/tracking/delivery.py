"""What runs write on its way to MLflow: at once, or now and then from a journal. For runs that are over, see `bench.runs.pending_writes`."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from bench.core.errors import UserError
from bench.core.lock_check import LockLost, free
from bench.tracking import store
from bench.tracking.journal import Damaged, Journal, Write

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)
RETRY_SECONDS = 10.0
PAUSE_RATIO = 20.0  # a try that fails slowly is followed by a pause this many times as long: at most 5 % of a run are lost to them
TRY_SECONDS = 2.0  # of sending what has gathered, while training waits
REQUEST_SECONDS = 5  # a server's time to answer while training waits
PATIENT_SECONDS = 30  # before and after training
MLFLOW_STATUS = {"finished": "FINISHED", "diverged": "FINISHED", "pruned": "KILLED", "interrupted": "KILLED", "failed": "FAILED"}


def public_uri(uri: str) -> str:
    """Return a store's URI without anything secret: what may be written to disk, and compared."""
    return store.redacted(uri).rstrip("/")


@contextmanager
def answering(uri: str) -> Iterator[None]:
    """Context manager that raises whatever a store raises as a UserError of one line."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # MLflow, requests and database drivers have no common base
        raise UserError(store.unanswered(error, uri)) from error


def send(client: MlflowClient, write: Write, file: Path | None) -> None:
    """Send one write to MLflow. Sent twice it is there once: equal points are one point, all else is overwritten."""
    from mlflow.entities import Metric, RunTag

    body = write.body
    match write.kind:
        case "points":
            metrics = [Metric(key, value, ms, images) for key, value, ms, images in body["points"]]
            client.log_batch(write.run_id, metrics=metrics, synchronous=True)
        case "tags":
            client.log_batch(write.run_id, tags=[RunTag(key, value) for key, value in body["tags"].items()], synchronous=True)
        case "artifact":
            parent = str(Path(body["path"]).parent)
            client.log_artifact(write.run_id, str(file), None if parent == "." else parent)
        case "end":
            client.set_terminated(write.run_id, MLFLOW_STATUS[body["status"]], body["ms"])


def deliver(
    client: MlflowClient, journal: Journal, *, points: int, check: Callable[[], None] = free, most_seconds: float = math.inf
) -> None:
    """Send what the store has not acknowledged, of the first so many points and all else.

    Calls `check` before and after each write. What the store refuses for good, or what is damaged, is set aside with a warning.

    Raises what `check` raises, and whatever a store raises that does not answer; the rest stays in the journal.
    """
    started = time.monotonic()
    while (write := journal.next(points)) is not None and time.monotonic() - started < most_seconds:
        check()
        try:
            with journal.file_of(write) as file:
                send(client, write, file)
        except Damaged as error:
            log.warning("%s of %s is set aside: %s", write.label, journal.name, error)
            journal.refuse(write)
        except Exception as error:  # every kind of store has errors of its own
            if not store.refuses(error):
                raise
            why = store.plain_error(error, client.tracking_uri)
            log.warning("%s of %s: the store refuses it for good (%s)", write.label, journal.name, why)
            journal.refuse(write)
        else:
            check()  # the send may have taken long, and whoever has the run by now may have written an artifact of that path
            journal.acknowledge(write)


class Direct:
    """Sends a journal at once, the points at the end; a store that does not answer, or refuses, is a UserError."""

    def __init__(self, client: MlflowClient, journal: Journal) -> None:
        self.points = 0  # how many may be sent
        self._client, self._journal = client, journal

    def flush_if_due(self) -> None:
        """Send what may be sent."""
        with answering(self._client.tracking_uri):
            while (write := self._journal.next(self.points)) is not None:
                with self._journal.file_of(write) as file:
                    send(self._client, write, file)
                self._journal.acknowledge(write)

    def end(self) -> None:
        """Send all of it."""
        self.points = len(self._journal.points)
        self.flush_if_due()


class Delivery:
    """Sends a journal while its run goes on, and the rest at its end. A store that does not answer stops nothing: it is tried again later.

    Every method calls `check` before it writes, which raises LockLost where another process has the run by now.
    """

    def __init__(self, client: MlflowClient, journal: Journal, check: Callable[[], None]) -> None:
        self.points = 0  # how many may be sent
        self._client, self._journal, self._check = client, journal, check
        self._due = -math.inf
        self._away = False

    def flush_if_due(self) -> None:
        """Send what may be sent, if it is time."""
        self._check()
        self._journal.keep()
        if time.monotonic() >= self._due:
            self._try(REQUEST_SECONDS, TRY_SECONDS)

    def end(self) -> None:
        """Write the journal of the run that has ended to disk, send all of it, and log what stays."""
        self._check()
        with suppress(OSError):  # it stays in memory, which is logged
            self._journal.save()
        self.points = len(self._journal.points)
        self._try(PATIENT_SECONDS, math.inf)
        self._check()
        name, where, sync = self._journal.name, *_shown(self._journal.file)
        waiting, refused = self._journal.waiting, self._journal.refused
        try:
            self._journal.close()
        except OSError:
            if not self._journal.file.exists():
                uri = public_uri(self._client.tracking_uri)
                log.error("%d writes of %s are lost: neither %s nor the disk took them", waiting, name, uri)
                return
        if waiting > refused:
            log.warning("%d writes of %s wait in %s: `%s` when the store answers again", waiting - refused, name, where, sync)
        if refused:
            log.warning("%d writes of %s are refused by the store and wait in %s: `%s` tries them again", refused, name, where, sync)

    def _try(self, request_seconds: int, most_seconds: float) -> None:
        started = time.monotonic()
        try:
            with store.impatient(request_seconds):
                deliver(self._client, self._journal, points=self.points, check=self._check, most_seconds=most_seconds)
            self._away = False
        except LockLost:
            raise
        except Exception as error:  # every kind of store has errors of its own, and none may stop a run
            took = time.monotonic() - started
            self._due = time.monotonic() + max(RETRY_SECONDS, PAUSE_RATIO * took)
            if not self._away:
                uri = self._client.tracking_uri
                why = store.plain_error(error, uri)
                log.warning("%s does not answer (%s): what %s writes is sent later", public_uri(uri), why, self._journal.name)
            self._away = True


def _shown(file: Path) -> tuple[str, str]:
    """Return (a journal's file as it is shown, the command that delivers it), short where it lies in the usual place."""
    runs, here = file.parents[2], Path.cwd()  # <runs>/<suite>/<fingerprint>/end-<run id>.json
    shown = file.relative_to(here) if file.is_relative_to(here) else file
    return str(shown), "ganbench sync" if runs == here / "runs" else f"ganbench sync --runs-dir {runs}"
