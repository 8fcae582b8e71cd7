"""What runs that are over wrote and could not deliver: it waits in outboxes under their folders, and is sent later."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import delivery, store
from bench.delivery import PATIENT_SECONDS, public_uri
from bench.entry import Damaged, Entry
from bench.outbox import HELD, Busy, Outbox, numbers
from bench.relocation import is_same_store

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)


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
                there = _first(outbox, uri)
                if there.problem:
                    yield there
                else:
                    client = client or store.connect(uri)
                    yield _delivered(outbox, client, uri, there.name)
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


def _first(outbox: Outbox, uri: str) -> Delivered:
    """What an outbox says of itself: whose it is, and why it cannot be delivered to this store, if so."""
    name, meant_for, problem = str(outbox.folder), "", ""
    try:
        first = outbox.first()
        name = first.name
        if not _is_meant_for(first, outbox.folder, uri):
            meant_for, problem = first.uri, f"meant for {first.uri}: set MLFLOW_TRACKING_URI"
    except Damaged as error:
        problem = str(error)
    return Delivered(name=name, folder=outbox.folder, sent=0, left=outbox.waiting, problem=problem, meant_for=meant_for)


def _is_meant_for(entry: Entry, outbox: Path, uri: str) -> bool:
    """Return whether a write is meant for this store, which may be a file that was moved or copied since."""
    before, now = store.sqlite_path(entry.uri), store.sqlite_path(uri)
    if before is None or now is None:
        return entry.uri == public_uri(uri)
    return before == now or is_same_store(before, now, entry.run_id, outbox)


def _delivered(outbox: Outbox, client: MlflowClient, uri: str, name: str) -> Delivered:
    before, problem = outbox.waiting, ""
    try:
        with store.impatient(PATIENT_SECONDS):
            outbox.deliver(lambda entry, file: delivery.send(client, entry, file))
    except Damaged as error:
        problem = str(error)
    except Exception as error:  # the store's own: is it away, or does it refuse this run?
        problem = f"the store refuses: {store.plain_error(error, uri)}"
        store.connect(uri)
    left = outbox.due
    return Delivered(name=name, folder=outbox.folder, sent=before - outbox.waiting, left=left, held=outbox.waiting - left, problem=problem)
