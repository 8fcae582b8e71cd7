"""Who trains a run: one process at a time among all that share its folder, on one machine or several.

A claim is a file that its holder keeps counting up. One that has not moved for `STALE_SECONDS` of the observer's own clock, or whose process
is gone from this machine, is taken over. Clocks of two machines are never compared.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock

from bench.errors import one_line
from bench.files import write_atomic
from bench.words import printable

FILE = "claim.json"  # in a run's folder
LOCK = ".claims.lock"  # beside the folders: who looks at a claim to take it
BEAT_SECONDS = 5.0
STALE_SECONDS = 30.0
POLL_SECONDS = 0.5
_REMEMBERED = 20  # owners whose claims were taken over


class Taken(Exception):
    """Another process has the run. The message says which."""


@dataclass(frozen=True)
class _Claim:
    host: str
    pid: int
    token: str  # of one holding
    beat: int = 0
    gone: tuple[str, ...] = ()  # whose claims were taken over one after another, the last of them by this one

    @property
    def owner(self) -> str:
        """As the tag `owner` of a run has it."""
        return f"{self.host}:{self.pid}"

    def is_dead(self) -> bool:
        """Whether its process was on this machine and is gone."""
        return self.host == socket.gethostname() and not Path(f"/proc/{self.pid}").exists() and Path("/proc/self").exists()


@contextmanager
def claimed(folder: Path, *, give_up: Callable[[], bool]) -> Iterator[tuple[str, ...]]:
    """Have a run's folder to oneself inside; wait for it until `give_up()`. Raises Taken, or OSError where nothing can be written.

    Yields the owners, as in a run's tag, whose claims were taken over: their processes are gone, whatever machine they were on.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    mine = _Claim(host=socket.gethostname(), pid=os.getpid(), token=secrets.token_hex(8))
    while True:
        try:
            mine = _take(folder, mine)
            break
        except Taken:
            if give_up():
                raise
            time.sleep(POLL_SECONDS)
    done = threading.Event()
    beating = threading.Thread(target=_beat, args=(folder / FILE, mine, done), daemon=True)
    beating.start()
    try:
        yield mine.gone
    finally:
        done.set()
        beating.join()
        with FileLock(folder.parent / LOCK):
            found = _read(folder / FILE)
            if found is not None and found.token == mine.token:
                (folder / FILE).unlink(missing_ok=True)
            with suppress(OSError):  # there is something in it
                folder.rmdir()


def holder(folder: Path) -> str:
    """The owner of the claim on a run's folder, alive or not; empty where there is none."""
    found = _read(folder / FILE)
    return found.owner if found else ""


def _take(folder: Path, mine: _Claim) -> _Claim:
    """Take a folder, and return the claim as it is then."""
    file = folder / FILE
    seen = _read(file)
    if seen is not None and not seen.is_dead():
        _wait_until_stale(file, seen)
    with FileLock(folder.parent / LOCK):
        now = _read(file)
        if now is not None and not now.is_dead() and now != seen:
            raise Taken(_words(now))
        folder.mkdir(exist_ok=True)
        mine = replace(mine, gone=(*now.gone, now.owner)[-_REMEMBERED:] if now else ())
        _write(file, mine)
        return mine


def _wait_until_stale(file: Path, seen: _Claim) -> None:
    """Return once a claim has not moved for long enough, or is gone; Taken as soon as it moves."""
    started = time.monotonic()
    while time.monotonic() - started < STALE_SECONDS:
        now = _read(file)
        if now is None or now.is_dead():
            return
        if now != seen:
            raise Taken(_words(now))
        time.sleep(POLL_SECONDS)


def _words(claim: _Claim) -> str:
    return f"being trained by process {claim.pid} on {printable(one_line(claim.host, most=80))}"


def _beat(file: Path, mine: _Claim, done: threading.Event) -> None:
    """Count up until done, or until the claim is another's."""
    beat = 0
    while not done.wait(BEAT_SECONDS):
        found = _read(file)
        if found is None or found.token != mine.token:
            return
        beat += 1
        with suppress(OSError):  # a full disk stops no run; the claim may be taken over
            _write(file, replace(mine, beat=beat))


def _write(file: Path, claim: _Claim) -> None:
    write_atomic(file, json.dumps(vars(claim)).encode(), settled=False)


def _read(file: Path) -> _Claim | None:
    """The claim in a file; None where there is none, or one that nobody can have written."""
    try:
        found = json.loads(file.read_bytes())
        gone = tuple(str(owner) for owner in found.get("gone", ()))
        return _Claim(host=str(found["host"]), pid=int(found["pid"]), token=str(found["token"]), beat=int(found["beat"]), gone=gone)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None
