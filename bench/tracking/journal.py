"""The journal of a run: what it has written, and how much of it the store has acknowledged. Knows nothing of MLflow.

A journal holds the run's points with their timestamps, the hashes of its artifacts, its tags and its end. It has one owner at a time:

- While the run trains it lives in memory (`bench.tracking.run_logger`), and every checkpoint holds a copy of it.
- The process is killed: the next one loads a checkpoint, whose copy is the journal from then on.
- The run ends, in whatever way: the journal is written as `end-<run id>.json` beside the checkpoints before anything of the end is sent. The
  file is removed when the store has acknowledged all of it. `ganbench sync` and the next call deliver what is left.

Nothing needs to be sent exactly once. MLflow stores points of equal value, step and timestamp once, and overwrites tags and artifacts of
the same name. But a run that falls back to a checkpoint writes what came after it again, with other timestamps. So while a run trains only
the points that the older of its two checkpoints holds are sent (`points` in `next`); artifacts and tags are sent at once.

Artifacts lie in `artifacts/<run id>/`, those of a run under way until they are acknowledged: one that a checkpoint's journal names and that
is missing was acknowledged since. After the end all of them stay until the journal is removed, so a missing one is damage.

A write that the store refuses for good, and a damaged artifact, are set aside so that the rest arrives. `refused` in the file names them; who
reads the journal next tries them once more. Where the disk takes nothing, artifacts and the end stay in memory, which is logged once.
Only the holder of the run lock may write.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, PrivateAttr, ValidationError

from bench.core.atomic_files import write_atomic
from bench.core.errors import one_line
from bench.core.text import stays_inside

log = logging.getLogger(__name__)
BATCH = 1000  # points of one write, MLflow's limit
ENDED = "end-*.json"  # journals of runs that have ended
ARTIFACTS = "artifacts"

Point = tuple[int, float, str, float, int]  # images, train seconds, key, value, milliseconds since 1970


class Damaged(Exception):
    """A journal or an artifact that is not as it was written. The message says which and why."""


@dataclass(frozen=True, kw_only=True)
class Write:
    """One call to the store."""

    kind: Literal["points", "tags", "artifact", "end"]
    run_id: str
    body: dict[str, Any]  # {"points": [[key, value, ms, images], ...], "from", "upto"}; {"tags"}; {"path", "sha256"}; end as in End

    @property
    def label(self) -> str:
        """What is written, for messages."""
        return f"the artifact {self.body['path']}" if self.kind == "artifact" else {"end": "the end"}.get(self.kind, self.kind)


class End(BaseModel):
    """How and when a run ended."""

    status: Literal["finished", "diverged", "pruned", "interrupted", "failed"]
    ms: int


def _inside(path: str) -> str:
    if not stays_inside(path) or not Path(path).name:
        raise ValueError("it leads outside")
    return path


class Journal(BaseModel):
    """What one run has written. Without a folder it is in memory only."""

    run_id: Annotated[str, Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z_-]{0,127}$")]  # it names a folder
    folder: Path | None = Field(None, exclude=True)  # of the run
    name: str = ""  # of the run, for messages
    store: str = ""  # its URI without anything secret
    points: list[Point] = []
    acknowledged: Annotated[int, Field(ge=0)] = 0  # of the points
    artifacts: dict[Annotated[str, AfterValidator(_inside)], str] = {}  # not acknowledged: path -> SHA-256
    tags: dict[str, str] = {}  # not acknowledged
    end: End | None = None
    end_acknowledged: bool = False

    _refused: list[Write] = PrivateAttr(default_factory=list)
    _memory: dict[str, bytes] = PrivateAttr(default_factory=dict)  # artifacts that the disk has not taken
    _warned: bool = PrivateAttr(False)

    @classmethod
    def of(cls, state: Mapping[str, Any], folder: Path | None) -> Journal:
        """Return the journal that `state_dict` gave; that of a run under way without artifacts that were acknowledged since. Raises Damaged.

        The points of an earlier version have no timestamps, and are all acknowledged.
        """
        points, now = state.get("points"), int(time.time() * 1000)
        if isinstance(points, list) and all(isinstance(point, list) and len(point) == 4 for point in points):
            state = {"acknowledged": len(points), **state, "points": [[*point, now] for point in points]}
        try:
            found = cls.model_validate({**state, "folder": folder})
        except ValidationError as error:
            wrong = error.errors()[0]
            raise Damaged(f"it is no journal: {'.'.join(map(str, wrong['loc']))}: {wrong['msg']}") from error
        if found.acknowledged > len(found.points):
            raise Damaged("it is no journal: more points are acknowledged than there are")
        if found.end is None:
            found.artifacts = {path: digest for path, digest in found.artifacts.items() if folder and found._place(path).exists()}
        return found

    @classmethod
    def read(cls, file: Path) -> Journal:
        """Return the journal in a file, as it was written. Raises Damaged."""
        try:
            stored = json.loads(file.read_bytes())
            if stored["sha256"] != digest_of(stored["journal"]):
                raise Damaged("its hash does not match")
            found = cls.of(stored["journal"], file.parent)
            if found.file != file:
                raise Damaged("it is the journal of another run")
        except (Damaged, OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise Damaged(f"{file} is damaged: {one_line(error, most=120)}") from error
        return found

    @property
    def file(self) -> Path:
        """Where the journal lies once its run has ended."""
        return self._here / f"end-{self.run_id}.json"

    @property
    def refused(self) -> int:
        """How many writes are set aside."""
        return len(self._refused)

    @property
    def waiting(self) -> int:
        """How many writes the store has not acknowledged."""
        batches = math.ceil(sum(math.isfinite(point[3]) for point in self.points[self.acknowledged :]) / BATCH)
        return batches + len(self.artifacts) + bool(self.tags) + (self.end is not None and not self.end_acknowledged) + self.refused

    def artifact(self, path: str, content: bytes) -> None:
        """Add an artifact, in place of an earlier one of that path."""
        self._refused = [write for write in self._refused if write.body.get("path") != path]
        self.artifacts[path] = hashlib.sha256(content).hexdigest()
        self._memory[path] = content
        self.keep()

    def keep(self) -> None:
        """Write artifacts to the disk that it has not taken before."""
        try:
            for path in list(self._memory) if self.folder else ():
                file = self._place(path)
                file.parent.mkdir(parents=True, exist_ok=True)
                write_atomic(file, self._memory[path])
                del self._memory[path]
        except OSError as error:
            self._warn(self._place(""), error)

    def settle(self) -> None:
        """Have all artifacts on the disk. Raises OSError if some are only in memory."""
        self.keep()
        if self._memory and self.folder:
            raise OSError(f"{len(self._memory)} artifacts are only in memory")

    def next(self, points: int) -> Write | None:
        """Return the first write that the store has not acknowledged, among the first so many points and all else; None without any."""
        batch: list[list[Any]] = []
        upto = self.acknowledged
        while upto < min(points, len(self.points)) and len(batch) < BATCH:
            images, _, key, value, ms = self.points[upto]
            upto += 1
            if math.isfinite(value):
                batch.append([key, value, ms, images])
        if batch:
            return Write(kind="points", run_id=self.run_id, body={"points": batch, "from": self.acknowledged, "upto": upto})
        for path, digest in self.artifacts.items():
            return Write(kind="artifact", run_id=self.run_id, body={"path": path, "sha256": digest})
        if self.tags:
            return Write(kind="tags", run_id=self.run_id, body={"tags": dict(self.tags)})
        if self.end and not self.end_acknowledged:
            return Write(kind="end", run_id=self.run_id, body=self.end.model_dump())
        return None

    @contextmanager
    def file_of(self, write: Write) -> Iterator[Path | None]:
        """Context manager that gives the file of an artifact, as it was written. Raises Damaged."""
        if write.kind != "artifact":
            yield None
        elif (content := self._memory.get(write.body["path"])) is not None:
            with tempfile.TemporaryDirectory(prefix="ganbench-") as folder:
                file = Path(folder) / Path(write.body["path"]).name
                file.write_bytes(content)
                yield file
        else:
            file = self._place(write.body["path"])
            try:
                whole = hashlib.sha256(file.read_bytes()).hexdigest() == write.body["sha256"]
            except OSError as error:
                raise Damaged(f"{file} is damaged: {one_line(error, most=120)}") from error
            if not whole:
                raise Damaged(f"{file} is damaged: its hash does not match")
            yield file

    def acknowledge(self, write: Write) -> None:
        """Note that a write has arrived."""
        self._take(write)
        if write.kind == "artifact" and self._memory.pop(write.body["path"], None) is None and self.end is None:
            self._place(write.body["path"]).unlink(missing_ok=True)

    def refuse(self, write: Write) -> None:
        """Set a write aside that the store refuses for good."""
        self._take(write)
        self._refused.append(write)

    def save(self) -> None:
        """Write the journal of a run that has ended. Raises OSError; it stays in memory then."""
        try:
            self.settle()
            state = self.state_dict()
            write_atomic(self.file, json.dumps({"journal": state, "sha256": digest_of(state)}).encode())
        except OSError as error:
            self._warn(self.file, error)
            raise

    def close(self) -> None:
        """Remove the journal from the disk if all of it is acknowledged, else write what is left. Raises OSError."""
        if self.waiting:
            self.save()
            return
        self.file.unlink(missing_ok=True)
        shutil.rmtree(self._place(""), ignore_errors=True)
        with suppress(OSError):  # artifacts of another run lie there, or none ever did
            self._place("").parent.rmdir()

    def supersede(self) -> None:
        """Take the place of the journal that was written at an earlier end of this run, which is going to be resumed. Raises OSError."""
        with suppress(Damaged):
            self.artifacts = Journal.read(self.file).artifacts | self.artifacts
        self.file.unlink(missing_ok=True)

    def restore(self, state: Mapping[str, Any], *, resumed: bool) -> None:
        """Go on from the journal of a checkpoint, of which a new run in the store (not `resumed`) has nothing. Raises Damaged."""
        earlier = Journal.of(state, self.folder)
        self.points = earlier.points
        if resumed:
            self.acknowledged = earlier.acknowledged
            self.artifacts, self.tags = earlier.artifacts | self.artifacts, earlier.tags | self.tags

    def state_dict(self) -> dict[str, Any]:
        """Return all of it but the bytes of artifacts, as JSON values. What was set aside is not acknowledged."""
        bodies = {kind: [write.body for write in self._refused if write.kind == kind] for kind in ("points", "tags", "artifact", "end")}
        state = {**self.model_dump(exclude={"points"}), "points": [list(point) for point in self.points]}
        state["acknowledged"] = min([self.acknowledged, *(body["from"] for body in bodies["points"])])
        state["artifacts"] |= {body["path"]: body["sha256"] for body in bodies["artifact"]}
        for body in bodies["tags"]:
            state["tags"] = body["tags"] | state["tags"]
        state["end_acknowledged"] = self.end_acknowledged and not bodies["end"]
        return {**state, "refused": [write.label for write in self._refused]}

    def _take(self, write: Write) -> None:
        """Take a write out of what is to be sent."""
        if write.kind == "points":
            self.acknowledged = write.body["upto"]
        elif write.kind == "artifact":
            del self.artifacts[write.body["path"]]
        elif write.kind == "tags":
            self.tags = {key: value for key, value in self.tags.items() if write.body["tags"].get(key) != value}
        else:
            self.end_acknowledged = True

    def _warn(self, path: Path, error: OSError) -> None:
        if not self._warned:
            log.warning("%s cannot be written (%s): what %s writes is kept in memory", path, error.strerror or error, self.name)
        self._warned = True

    @property
    def _here(self) -> Path:
        if self.folder is None:
            raise ValueError("the journal has no folder")
        return self.folder

    def _place(self, path: str) -> Path:
        return self._here / ARTIFACTS / self.run_id / path


def digest_of(state: Mapping[str, Any]) -> str:
    """Return the hash that is written with JSON values."""
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()
