"""Writes on their way to MLflow: at once, through an outbox while a run goes on, or later for a run that is over."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from bench import store
from bench.entry import Damaged, Entry, Kind
from bench.errors import UserError
from bench.outbox import HELD, Busy, Outbox, as_file, numbers

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
    return store.redacted(uri).partition("?")[0].rstrip("/")


@contextmanager
def answering(uri: str) -> Iterator[None]:
    """Inside, whatever a store raises becomes a UserError of one line."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # MLflow, requests and database drivers have no common base
        raise UserError(f"the tracking store {store.redacted(uri)} does not answer: {store.plain_error(error, uri)}") from error


def send(client: MlflowClient, entry: Entry, file: Path | None) -> None:
    """One write to MLflow. Sent twice it is there once: equal points are one point, all else is overwritten."""
    from mlflow.entities import Metric, RunTag

    body = entry.body
    match entry.kind:
        case "points":
            client.log_batch(entry.run_id, metrics=[Metric(key, value, ms, step) for key, value, ms, step in body["points"]])
        case "tags":
            client.log_batch(entry.run_id, tags=[RunTag(key, value) for key, value in body["tags"].items()])
        case "artifact":
            parent = str(Path(body["path"]).parent)
            client.log_artifact(entry.run_id, str(file), None if parent == "." else parent)
        case "end":
            client.set_terminated(entry.run_id, body["status"], body["ms"])


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
    """Through an outbox: a store that goes away stops nothing, and what cannot be sent waits on disk."""

    def __init__(self, client: MlflowClient, run_id: str, *, name: str, folder: Path) -> None:
        """`folder` holds the outboxes of a run's attempts. Raises UserError where it cannot be used."""
        self._client = client
        self._address = Entry(kind="tags", run_id=run_id, name=name, uri=public_uri(client.tracking_uri), body={})
        self._due = -math.inf
        self._away = False
        try:
            self._outbox = Outbox(folder / run_id)
        except Busy as error:
            raise UserError(f"what {name} wrote is being delivered by another process from {folder / run_id}: try again then") from error
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
        self._outbox.keep()
        if self._outbox.homeless:
            raise OSError(f"{self._outbox.homeless} writes are in memory alone")
        self._outbox.settle()

    def hold(self, position: int) -> None:
        """Send nothing from that position on."""
        self._outbox.hold(position)

    def go_back(self, position: int) -> None:
        """Forget the writes from that position on."""
        self._outbox.go_back(position)

    def put(self, kind: Kind, body: dict[str, Any], content: bytes | None = None) -> None:
        """Write it down, and send what waits if it is time."""
        self._outbox.put(replace(self._address, kind=kind, body=body), content)
        self.nudge()

    def nudge(self) -> None:
        """Try again what could not be sent, if it is time."""
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
        if waiting > homeless:
            where, sync = _shown(self._outbox.folder)
            log.warning("%d writes of %s wait in %s: `%s` when the store answers again", waiting - homeless, name, where, sync)
        if homeless:
            log.error("%d writes of %s are lost: neither %s nor the disk took them", homeless, name, self._address.uri)
        self._outbox.close()

    def _try(self, request_seconds: int, most_seconds: float) -> None:
        started = time.monotonic()
        try:
            with store.impatient(request_seconds):
                self._outbox.deliver(lambda entry, file: send(self._client, entry, file), most_seconds=most_seconds)
            self._away = False
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


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """What became of one outbox of a run that is over."""

    name: str
    folder: Path
    sent: int
    left: int = 0
    held: int = 0  # of writes that wait for the run to go on, which would write them again
    problem: str = ""  # why writes are left
    meant_for: str = ""  # the other store, where that is why
    busy: bool = False  # another process has it, which will deliver


def deliver_waiting(runs: Path, uri: str) -> Iterator[Delivered]:
    """Send what waits anywhere under a folder of runs, one outbox after another. A store that does not answer is a UserError."""
    folders = [folder for folder in sorted(runs.glob("**/outbox/*")) if folder.is_dir()]
    client: MlflowClient | None = None
    for folder in folders:
        try:
            outbox = Outbox(folder)
        except Busy:
            if numbers(folder):
                yield Delivered(name=str(folder), folder=folder, sent=0, left=len(numbers(folder)), busy=True)
            continue
        try:
            if outbox.waiting:
                there = _first(outbox)
                if there.meant_for == public_uri(uri):
                    client = client or store.connect(uri)
                    yield _delivered(outbox, client, uri, there.name)
                else:
                    yield there
        finally:
            outbox.close()


def forget_held(outboxes: Path) -> None:
    """Forget what earlier attempts of a run held back, which a new one writes again, and send the rest another time."""
    for folder in outboxes.glob("*"):
        if (folder / HELD).exists():
            with suppress(Busy):
                outbox = Outbox(folder)
                outbox.forget_held()
                outbox.close()


def end_all(folder: Path, uri: str) -> None:
    """Send all that the runs under a folder wrote, what they held back, too: none of them goes on."""
    for outbox_folder in folder.glob("outbox/*"):
        if outbox_folder.is_dir():
            with suppress(Busy):
                outbox = Outbox(outbox_folder)
                outbox.release()
                outbox.close()
    catch_up(folder, uri)


def catch_up(runs: Path, uri: str) -> None:
    """Deliver what earlier executions could not, before anybody looks at what is there; what still waits is said and left."""
    for told in deliver_waiting(runs, uri):
        if told.problem:
            log.warning("%d writes of %s wait: %s", told.left, told.name, told.problem)
        elif told.sent:
            log.info("%d writes of %s delivered", told.sent, told.name)


def _first(outbox: Outbox) -> Delivered:
    """What an outbox says of itself: whose it is and which store it is meant for."""
    name, meant_for, problem = str(outbox.folder), "", ""
    try:
        first = outbox.first()
        name, meant_for, problem = first.name, first.uri, f"meant for {first.uri}: set MLFLOW_TRACKING_URI"
    except Damaged as error:
        problem = str(error)
    return Delivered(name=name, folder=outbox.folder, sent=0, left=outbox.waiting, problem=problem, meant_for=meant_for)


def _delivered(outbox: Outbox, client: MlflowClient, uri: str, name: str) -> Delivered:
    before, problem = outbox.waiting, ""
    try:
        with store.impatient(PATIENT_SECONDS):
            outbox.deliver(lambda entry, file: send(client, entry, file))
    except Damaged as error:
        problem = str(error)
    except Exception as error:  # the store's own: is it away, or does it refuse this run?
        problem = f"the store refuses: {store.plain_error(error, uri)}"
        store.connect(uri)
    left = outbox.due
    return Delivered(name=name, folder=outbox.folder, sent=before - outbox.waiting, left=left, held=outbox.waiting - left, problem=problem)


def _shown(folder: Path) -> tuple[str, str]:
    """(an outbox as it is shown, the command that delivers it), short where it lies in the usual place."""
    runs = folder.parents[3] if len(folder.parents) > 3 else folder.parent  # <runs>/<suite>/<fingerprint>/outbox/<run id>
    here = Path.cwd()
    shown = folder.relative_to(here) if folder.is_relative_to(here) else folder
    return str(shown), "ganbench sync" if runs == here / "runs" else f"ganbench sync --runs-dir {runs}"
