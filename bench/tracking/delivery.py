"""Writes on their way to MLflow while a run goes on: at once, or through an outbox. For runs that are over, see `bench.runs.pending_writes`."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from bench.core.errors import UserError
from bench.core.lock_check import LockLost, free
from bench.tracking import store
from bench.tracking.entry import Damaged, Entry, Kind, Refused
from bench.tracking.spool import REFUSED, Outbox, as_file

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)
RETRY_SECONDS = 10.0
PAUSE_RATIO = 20.0  # a try that fails slowly is followed by a pause this many times as long: at most 5 % of a run are lost to them
TRY_SECONDS = 2.0  # of sending what has gathered, while training waits
REQUEST_SECONDS = 5  # a server's time to answer while training waits
PATIENT_SECONDS = 30  # before and after training


def public_uri(uri: str) -> str:
    """A store's URI without anything secret: what may be written down, and compared."""
    return store.redacted(uri).rstrip("/")


@contextmanager
def answering(uri: str) -> Iterator[None]:
    """Inside, whatever a store raises becomes a UserError of one line."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # MLflow, requests and database drivers have no common base
        raise UserError(store.unanswered(error, uri)) from error


def send(client: MlflowClient, entry: Entry, file: Path | None) -> None:
    """One write to MLflow. Sent twice it is there once: equal points are one point, all else is overwritten."""
    from mlflow.entities import Metric, RunTag

    body = entry.body
    match entry.kind:
        case "points":
            client.log_batch(
                entry.run_id, metrics=[Metric(key, value, ms, step) for key, value, ms, step in body["points"]], synchronous=True
            )
        case "tags":
            client.log_batch(entry.run_id, tags=[RunTag(key, value) for key, value in body["tags"].items()], synchronous=True)
        case "artifact":
            parent = str(Path(body["path"]).parent)
            client.log_artifact(entry.run_id, str(file), None if parent == "." else parent)
        case "end":
            client.set_terminated(entry.run_id, body["status"], body["ms"])


def deliver(client: MlflowClient, outbox: Outbox, *, check: Callable[[], None] = free, most_seconds: float = math.inf) -> None:
    """Send what is due of an outbox, in order, calling `check` before each write. What the store refuses for good is set aside.

    Raises Damaged, what `check` raises, and whatever a store raises that does not answer; the rest stays in the outbox.
    """

    def attempt(entry: Entry, file: Path | None) -> None:
        check()
        try:
            send(client, entry, file)
        except Exception as error:  # every kind of store has errors of its own
            if store.refuses(error):
                raise Refused(store.plain_error(error, client.tracking_uri)) from error
            raise

    outbox.deliver(attempt, most_seconds=most_seconds)


class Delivery(Protocol):
    """How the writes of a run reach its store."""

    def put(self, kind: Kind, body: dict[str, Any], content: bytes | None = None) -> None:
        """Have a write delivered, after those before it."""

    def nudge(self) -> None:
        """Try again what could not be sent, if it is time."""

    @property
    def position(self) -> int:
        """The number that the next write will have."""

    def settle(self) -> None:
        """Have what was put outlive a crash. Raises OSError where the disk does not take it."""

    def hold(self, position: int) -> None:
        """Send nothing from that position on, until told another one or the end is put. Raises OSError."""

    def go_back(self, position: int) -> None:
        """Forget what was put from that position on: it is going to be put again. Raises OSError."""

    def close(self) -> None:
        """The run has ended."""


class Direct:
    """Sent at once; a store that does not answer is a UserError."""

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self._client = client
        self._uri = client.tracking_uri
        self._run_id = run_id

    def put(self, kind: Kind, body: dict[str, Any], content: bytes | None = None) -> None:
        """Send."""
        entry = Entry(kind=kind, run_id=self._run_id, name="", uri="", body=body)
        with as_file(entry, content) as file, answering(self._uri):
            send(self._client, entry, file)

    def nudge(self) -> None:
        """Nothing waits."""

    @property
    def position(self) -> int:
        """None is counted."""
        return 0

    def settle(self) -> None:
        """Nothing waits."""

    def hold(self, position: int) -> None:
        """Nothing can be held: what is put is there."""

    def go_back(self, position: int) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing waits."""


class Posted:
    """Through an outbox: a store that goes away stops nothing, and what cannot be sent waits on disk.

    Every method calls `check` before it writes, which raises LockLost where another process has the run by now.
    """

    def __init__(self, client: MlflowClient, run_id: str, *, name: str, folder: Path, check: Callable[[], None] = free) -> None:
        """`folder` holds the outboxes of a run's attempts. Raises UserError where it cannot be used."""
        self._client = client
        self._check = check
        self._address = Entry(kind="tags", run_id=run_id, name=name, uri=public_uri(client.tracking_uri), body={})
        self._due = -math.inf
        self._away = False
        try:
            self._outbox = Outbox(folder / run_id)
        except OSError as error:
            raise UserError(f"{folder / run_id} cannot be written: {error.strerror or error}") from error

    @property
    def due(self) -> int:
        """How many writes could be sent and have not arrived."""
        return self._outbox.due

    @property
    def position(self) -> int:
        """The number that the next write will have."""
        return self._outbox.position

    def settle(self) -> None:
        """Have everything on the disk. Raises OSError where some is in memory alone."""
        self._check()
        self._outbox.keep()
        if self._outbox.homeless:
            raise OSError(f"{self._outbox.homeless} writes are in memory alone")
        self._outbox.settle()

    def hold(self, position: int) -> None:
        """Send nothing from that position on."""
        self._check()
        self._outbox.hold(position)

    def go_back(self, position: int) -> None:
        """Forget the writes from that position on."""
        self._check()
        self._outbox.go_back(position)

    def put(self, kind: Kind, body: dict[str, Any], content: bytes | None = None) -> None:
        """Write it down, and send what waits if it is time."""
        self._check()
        self._outbox.put(replace(self._address, kind=kind, body=body), content)
        self.nudge()

    def nudge(self) -> None:
        """Try again what could not be sent, if it is time."""
        self._check()
        if self._outbox.homeless:
            self._outbox.keep()
        if time.monotonic() >= self._due:
            self._try(REQUEST_SECONDS, TRY_SECONDS)

    def flush(self) -> None:
        """Send what is due, with patience."""
        self._try(PATIENT_SECONDS, math.inf)

    def close(self) -> None:
        """Try once more, and say what stays."""
        self.flush()
        self._outbox.keep()
        waiting, homeless, name = self._outbox.waiting, self._outbox.homeless, self._address.name
        where, sync = _shown(self._outbox.folder)
        if waiting > homeless:
            log.warning("%d writes of %s wait in %s: `%s` when the store answers again", waiting - homeless, name, where, sync)
        if refused := self._outbox.refused:
            log.warning(
                "%d writes of %s are refused by the store and kept in %s/%s: `%s` tries them again", refused, name, where, REFUSED, sync
            )
        if lost := homeless + self._outbox.lost:
            log.error("%d writes of %s are lost: neither %s nor the disk took them", lost, name, self._address.uri)
        self._outbox.close()

    def _try(self, request_seconds: int, most_seconds: float) -> None:
        started = time.monotonic()
        try:
            with store.impatient(request_seconds):
                deliver(self._client, self._outbox, check=self._check, most_seconds=most_seconds)
            self._away = False
        except LockLost:
            raise
        except Exception as error:  # every kind of store has errors of its own, and none may stop a run
            took = time.monotonic() - started
            self._due = time.monotonic() + max(RETRY_SECONDS, PAUSE_RATIO * took)
            if not self._away:
                uri = self._client.tracking_uri
                problem = (
                    str(error) if isinstance(error, Damaged) else f"{public_uri(uri)} does not answer ({store.plain_error(error, uri)})"
                )
                log.warning("%s: what %s writes waits on disk", problem, self._address.name)
            self._away = True
        if self._outbox.waiting:
            self._outbox.settle()


def _shown(folder: Path) -> tuple[str, str]:
    """(an outbox as it is shown, the command that delivers it), short where it lies in the usual place."""
    runs = folder.parents[3] if len(folder.parents) > 3 else folder.parent  # <runs>/<suite>/<fingerprint>/outbox/<run id>
    here = Path.cwd()
    shown = folder.relative_to(here) if folder.is_relative_to(here) else folder
    return str(shown), "ganbench sync" if runs == here / "runs" else f"ganbench sync --runs-dir {runs}"
