"""What a run writes to its tracker, kept on disk in order until it has arrived. Knows nothing of MLflow.

An outbox is a folder: `00000012.json` is one write, and `00000012/` holds the artifact that goes with it. Both are hashed,
and the JSON comes last and goes first, so that a write is there as a whole or not at all. Only the holder of the run lock may open an outbox.

A write that the store refuses for good moves to the folder `refused`, so that those behind it arrive. The next process that opens the outbox tries it once more.

A run that can go on from a checkpoint must not send what it would write again. So it may hold its writes back from a number on (`held`
is that number on disk), and, going on, forget those that came after its checkpoint. The write that ends a run frees all before it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import re
import shutil
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from bench.core.atomic_files import settle, write_atomic
from bench.tracking.entry import Damaged, Entry, Refused, artifact_of, digest_of, read_entry

log = logging.getLogger(__name__)
_NUMBER = re.compile(r"(?!0+$)[0-9]{8,15}")  # of a file: 00000001 and up
_OWN = re.compile(r"held|refused|\.held-.*|\.?[0-9]{8,15}(\.json.*)?")  # what an outbox makes in its folder
REFUSED = "refused"  # the folder of what the store refuses for good
HELD = "held"  # a file: the number of the first write that is not to be sent yet, with a hash, so that damage is no other number


Send = Callable[[Entry, Path | None], None]  # the entry and the file of its artifact; raises where it does not arrive


class Outbox:
    """The writes of one run that have not arrived yet."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError where the folder cannot be made."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        for number in numbers(folder / REFUSED):
            self._move(number, folder / REFUSED, folder)
        self._written = deque(numbers(folder))
        self._next = self._written[-1] + 1 if self._written else 1
        self._held = self._held_on_disk()
        self._unsettled: list[Path] = []
        self._unwritten: deque[tuple[Entry, bytes | None]] = deque()  # the disk would not take them
        self._lost = 0  # refused by the store and by the disk
        self._warned = False

    @property
    def waiting(self) -> int:
        """How many writes have not arrived."""
        return len(self._written) + len(self._unwritten)

    @property
    def due(self) -> int:
        """How many of them may be sent now."""
        return sum(number < self._held for number in self._written) + sum(self._next + i < self._held for i in range(len(self._unwritten)))

    @property
    def position(self) -> int:
        """The number that the next write will have."""
        return self._next + len(self._unwritten)

    @property
    def homeless(self) -> int:
        """How many of them are in memory alone, because the disk would not take them."""
        return len(self._unwritten)

    @property
    def lost(self) -> int:
        """How many were refused by the store while the disk took nothing."""
        return self._lost

    @property
    def refused(self) -> int:
        """How many the store refuses for good."""
        return len(numbers(self.folder / REFUSED))

    def put(self, entry: Entry, content: bytes | None = None) -> None:
        """Keep a write, with the bytes of its artifact; in memory as long as the disk takes nothing. The end of a run holds nothing back."""
        self._unwritten.append((entry, content))
        self.keep()
        if entry.kind == "end":
            self._held = math.inf

    def keep(self) -> None:
        """Write down what the disk has not taken yet."""
        try:
            while self._unwritten:
                self._write(*self._unwritten[0])
                self._unwritten.popleft()
        except OSError as error:
            if not self._warned:
                name = self._unwritten[0][0].name
                log.warning("%s cannot be written (%s): what %s writes is kept in memory", self.folder, error.strerror or error, name)
            self._warned = True

    def hold(self, position: int) -> None:
        """Send nothing from that number on, until told another one; holds for whoever opens the outbox later, too.

        Raises OSError where the disk does not take it: then it holds for this process alone.
        """
        self._held = position
        write_atomic(self._ready() / HELD, _mark(position), settled=False)

    def release(self) -> None:
        """Hold nothing back any more."""
        self._held = math.inf
        (self.folder / HELD).unlink(missing_ok=True)

    def go_back(self, position: int) -> None:
        """Forget the writes from that number on, which are going to be made again, and hold back those that are. Raises OSError."""
        self._unwritten.clear()
        self._forget_from(position)
        self._next = position
        self.hold(min(int(self._held) if self._held < math.inf else position, position))

    def forget_held(self) -> None:
        """Forget the writes that are held back."""
        self._forget_from(self._held)

    def first(self) -> Entry:
        """The write that is next. Raises Damaged."""
        return read_entry(self._file(self._written[0])) if self._written else self._unwritten[0][0]

    def deliver(self, send: Send, *, most_seconds: float = math.inf) -> None:
        """Send in order what is due, forgetting each write once it has arrived. What raises Refused is set aside.

        Raises Damaged, and whatever else `send` raises; the rest stays.
        """
        started = time.monotonic()
        while self._first_is_due() and time.monotonic() - started < most_seconds:
            try:
                with self._first_file() as (entry, file):
                    send(entry, file)
            except Refused as error:
                log.warning("%s of %s: the store refuses it for good (%s)", entry.label, entry.name, error)
                self._set_aside()
                continue
            if self._written:
                self._forget(self._written.popleft())
            else:
                self._unwritten.popleft()
                self._next += 1
        if not self._written:
            self._unsettled.clear()

    def _first_is_due(self) -> bool:
        return bool(self.waiting) and (self._written[0] if self._written else self._next) < self._held

    def _set_aside(self) -> None:
        """Move the write that is next out of the way of those behind it."""
        if self._written:
            self._move(self._written.popleft(), self.folder, self.folder / REFUSED)
        else:
            self._unwritten.popleft()
            self._next += 1
            self._lost += 1

    def _move(self, number: int, source: Path, target: Path) -> None:
        target.mkdir(exist_ok=True)
        artifact_last = [f"{number:08d}.json", f"{number:08d}"]  # on the way back first: whatever a crash leaves can be moved back
        for name in artifact_last if target.name == REFUSED else reversed(artifact_last):
            if (source / name).exists():
                (source / name).replace(target / name)

    def _forget_from(self, position: float) -> None:
        while self._written and self._written[-1] >= position:
            self._forget(self._written.pop())
        for number in numbers(self.folder / REFUSED):
            if number >= position:
                (self.folder / REFUSED / f"{number:08d}.json").unlink(missing_ok=True)
                shutil.rmtree(self.folder / REFUSED / f"{number:08d}", ignore_errors=True)

    def _forget(self, number: int) -> None:
        self._file(number).unlink(missing_ok=True)
        shutil.rmtree(self._artifacts(number), ignore_errors=True)

    def settle(self) -> None:
        """Have what waits outlive a crash of the machine too, not only of this process."""
        for file in self._unsettled:
            with suppress(OSError):  # it has been sent, or the disk is out of order, which is no reason to end a run
                settle(file)
        self._unsettled.clear()

    def close(self) -> None:
        """Give the outbox back. An empty one leaves nothing behind, nor the folders above it if it was all they held."""
        self.settle()
        if not self._written and not self.refused:
            for path in (path for path in self.folder.glob("*") if _OWN.fullmatch(path.name)):  # halves that a crash left, too
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        for folder in (self.folder, self.folder.parent, self.folder.parent.parent):
            try:
                folder.rmdir()
            except OSError:
                return

    def _write(self, entry: Entry, content: bytes | None) -> None:
        number = self._next
        self._ready()
        written = asdict(entry)
        if content is not None:
            shutil.rmtree(self._artifacts(number), ignore_errors=True)  # what a crash left of the same number
            self._artifacts(number).mkdir()
            self._place(self._artifacts(number) / Path(entry.body["path"]).name, content)
            written["artifact_sha256"] = hashlib.sha256(content).hexdigest()
        text = json.dumps({"entry": written, "sha256": digest_of(written)}, allow_nan=False)
        self._place(self._file(number), text.encode())
        self._next += 1
        self._written.append(number)

    def _ready(self) -> Path:
        """The folder, made if need be."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder

    def _held_on_disk(self) -> float:
        """The number from which on nothing is to be sent; infinity where that is all the same, as for a run whose end is written. Unreadable, it holds all back."""
        try:
            written = (self.folder / HELD).read_bytes()
            held = int(written.partition(b" ")[0])
            held = held if written == _mark(held) else 0
        except FileNotFoundError:
            return math.inf
        except (OSError, ValueError):
            held = 0
        return math.inf if self._has_end() else held

    def _has_end(self) -> bool:
        try:
            return bool(self._written) and read_entry(self._file(self._written[-1])).kind == "end"
        except Damaged:
            return False

    def _place(self, file: Path, content: bytes) -> None:
        write_atomic(file, content, settled=False)  # most is sent at once: waiting for the disk each time would cost a run dear
        self._unsettled.append(file)

    @contextmanager
    def _first_file(self) -> Iterator[tuple[Entry, Path | None]]:
        """The write that is next, and its artifact as a file of the right name."""
        if self._written:
            entry = self.first()
            yield entry, artifact_of(entry, self._artifacts(self._written[0])) if entry.kind == "artifact" else None
            return
        entry, content = self._unwritten[0]
        with as_file(entry, content) as file:
            yield entry, file

    def _file(self, number: int) -> Path:
        return self.folder / f"{number:08d}.json"

    def _artifacts(self, number: int) -> Path:
        return self.folder / f"{number:08d}"


def _mark(position: int) -> bytes:
    """What is written down of the number from which on nothing is to be sent."""
    return f"{position} {hashlib.sha256(str(position).encode()).hexdigest()}".encode()


def numbers(folder: Path) -> list[int]:
    """The numbers of the writes that wait in an outbox, in order; looks without taking it."""
    return sorted(int(file.stem) for file in folder.glob("*.json") if _NUMBER.fullmatch(file.stem))


@contextmanager
def as_file(entry: Entry, content: bytes | None) -> Iterator[Path | None]:
    """Bytes of an artifact as a file of its name, for as long as it takes to send it."""
    if content is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="ganbench-") as folder:
        file = Path(folder) / Path(entry.body["path"]).name
        file.write_bytes(content)
        yield file
