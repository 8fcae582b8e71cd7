"""Journal of a run: all its writes, and how many of them the store has acknowledged. Does not import MLflow.

A journal contains the run's points with their timestamps, the hashes of its artifacts, its tags, its data and its end. It has one owner at a time:

- While the run trains, the journal is in memory (`bench.tracking.run_logger`). Every checkpoint contains a copy of it.
- If the process is killed, the next process loads a checkpoint and resumes with its copy of the journal.
- When the run ends, with any status, its process saves the journal as `end-<run id>.json` beside the checkpoints, before it sends the end. It
  removes the file when the store has acknowledged all writes. Until then, `ganbench sync` and the next call deliver the pending writes.

MLflow gets all points but values that are not finite, and standard errors, which would double its metrics. The curve has all points.

No write needs to be sent exactly once. MLflow stores points of equal value, step and timestamp once, and equal data once. It overwrites tags
and artifacts of the same name. But a run that resumes from a checkpoint logs the points after that checkpoint again, with other timestamps.
So while a run trains, only the points in the older of its two checkpoints are sent (`points` in `next_write`). Other writes are sent at once.

Artifacts are files in `artifacts/<run id>/`. While the run trains, each file is removed when the store has acknowledged it. So if the journal of
a checkpoint names an artifact whose file is missing, the store has it. After the end all files stay until the journal is removed, so a
missing file is damage.

A write that the store refuses permanently, or whose artifact is damaged, is set aside, so that the store gets the other writes. `refused` in the file
lists these writes, and the next process that reads the journal tries them again. If the disk cannot be written, artifacts and the end stay
in memory, and one warning is logged. Only the holder of the run lock may write.
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
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, Field, PrivateAttr, ValidationError

from bench.core.atomic_files import write_atomic
from bench.core.errors import one_line
from bench.core.text import stays_inside
from bench.metrics.columns import SE
from bench.tracking.inputs import DataInput
from bench.tracking.tags import RUN_ID

log = logging.getLogger(__name__)
BATCH = 1000  # points of one write, MLflow's limit
ENDED = "end-*.json"  # journals of runs that have ended
ARTIFACTS = "artifacts"

Kind = Literal["points", "artifact", "tags", "inputs", "end"]
Point = tuple[int, float, str, float, int]  # images, train seconds, key, value, milliseconds since 1970


class DamagedJournal(Exception):
    """Error that a journal, or an artifact of a journal, is damaged. The message names the file and the reason."""


@dataclass(frozen=True, kw_only=True)
class Write:
    """Write of a run, which is one request to the store."""

    kind: Kind
    run_id: str
    # {"points": [[key, value, ms, images], ...], "from", "upto"}; {"tags"}; {"path", "sha256"}; {"inputs": as in DataInput}; end as in End
    body: dict[str, Any]

    @property
    def label(self) -> str:
        """Kind of the write, and the path of an artifact, for messages."""
        names = {"artifact": f"the artifact {self.body.get('path')}", "inputs": "the data", "end": "the end"}
        return names.get(self.kind, self.kind)


class End(BaseModel):
    """Status and time of the end of a run."""

    status: Literal["finished", "diverged", "pruned", "interrupted", "failed"]
    ms: int


def _checked_path(path: str) -> str:
    if not stays_inside(path) or not Path(path).name:
        raise ValueError("the path leaves the folder")
    return path


class RunJournal(BaseModel):
    """Journal of all writes of one run. Without a folder, it is in memory only."""

    run_id: Annotated[str, Field(pattern=f"^{RUN_ID.pattern}$")]  # it names a folder
    folder: Path | None = Field(None, exclude=True)  # of the run
    name: str = ""  # of the run, for messages
    store: str = ""  # its URI without user and password
    last_step: int | None = None  # MLflow gets points with more images at this step, so that runs with the same budget end at the same step
    points: list[Point] = []
    acknowledged: Annotated[int, Field(ge=0)] = 0  # number of points
    artifacts: dict[Annotated[str, AfterValidator(_checked_path)], str] = {}  # path -> SHA-256 of pending artifacts
    tags: dict[str, str] = {}  # pending tags
    inputs: list[DataInput] = []  # pending data of the run
    end: End | None = None
    end_acknowledged: bool = False

    _refused: list[Write] = PrivateAttr(default_factory=list)
    _memory: dict[str, bytes] = PrivateAttr(default_factory=dict)  # contents of artifacts that are not on disk
    _warned: bool = PrivateAttr(False)

    @classmethod
    def from_state(cls, state: Mapping[str, Any], folder: Path | None) -> RunJournal:
        """Return the journal of a `state_dict`. Raises DamagedJournal.

        If the run has not ended, the journal omits artifacts whose files are missing, because the store has acknowledged them.
        Points from checkpoints of earlier versions have no timestamps and count as acknowledged.
        """
        points, now = state.get("points"), int(time.time() * 1000)
        if isinstance(points, list) and all(isinstance(point, list) and len(point) == 4 for point in points):
            state = {"acknowledged": len(points), **state, "points": [[*point, now] for point in points]}
        try:
            found = cls.model_validate({**state, "folder": folder})
        except ValidationError as error:
            wrong = error.errors()[0]
            raise DamagedJournal(f"not a journal: {'.'.join(map(str, wrong['loc']))}: {wrong['msg']}") from error
        if found.acknowledged > len(found.points):
            raise DamagedJournal("not a journal: it has fewer points than it counts as acknowledged")
        if found.end is None:
            found.artifacts = {path: digest for path, digest in found.artifacts.items() if folder and found._artifact_path(path).exists()}
        return found

    @classmethod
    def read(cls, file: Path) -> RunJournal:
        """Read a journal from its file and verify its hash. Raises DamagedJournal."""
        try:
            stored = json.loads(file.read_bytes())
            if stored["sha256"] != digest_of(stored["journal"]):
                raise DamagedJournal("its hash does not match")
            found = cls.from_state(stored["journal"], file.parent)
            if found.file != file:
                raise DamagedJournal("it is the journal of another run")
        except (DamagedJournal, OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise DamagedJournal(f"{file} is damaged: {one_line(error, most=120)}") from error
        return found

    @property
    def file(self) -> Path:
        """Path of the journal after the end of its run."""
        return self._run_folder / f"end-{self.run_id}.json"

    @property
    def refused(self) -> int:
        """Number of writes that are set aside because the store refuses them, or because they are damaged."""
        return len(self._refused)

    @property
    def pending(self) -> int:
        """Number of writes that the store has not acknowledged."""
        batches = math.ceil(sum(map(_is_metric_of_mlflow, self.points[self.acknowledged :])) / BATCH)
        others = bool(self.tags) + bool(self.inputs) + (self.end is not None and not self.end_acknowledged)
        return batches + len(self.artifacts) + others + self.refused

    def artifact(self, path: str, content: bytes) -> None:
        """Add an artifact. It replaces an earlier artifact of the same path."""
        self._refused = [write for write in self._refused if write.body.get("path") != path]
        self.artifacts[path] = hashlib.sha256(content).hexdigest()
        self._memory[path] = content
        self.try_flush_to_disk()

    def try_flush_to_disk(self) -> None:
        """Write the artifacts in memory to disk. After an OSError they stay in memory. The first such error is logged."""
        try:
            for path in list(self._memory) if self.folder else ():
                file = self._artifact_path(path)
                file.parent.mkdir(parents=True, exist_ok=True)
                write_atomic(file, self._memory[path])
                del self._memory[path]
        except OSError as error:
            self._warn(self._artifact_path(""), error)

    def flush_to_disk(self) -> None:
        """Write the artifacts in memory to disk. Raises OSError if any stay in memory."""
        self.try_flush_to_disk()
        if self._memory and self.folder:
            raise OSError(f"{len(self._memory)} artifacts are only in memory")

    def next_write(self, points: int) -> Write | None:
        """Return the first pending write, or None. Only the first `points` points may be sent."""
        batch: list[list[Any]] = []
        upto = self.acknowledged
        while upto < min(points, len(self.points)) and len(batch) < BATCH:
            images, _, key, value, ms = point = self.points[upto]
            upto += 1
            if _is_metric_of_mlflow(point):
                batch.append([key, value, ms, images if self.last_step is None else min(images, self.last_step)])
        if batch:
            return Write(kind="points", run_id=self.run_id, body={"points": batch, "from": self.acknowledged, "upto": upto})
        for path, digest in self.artifacts.items():
            return Write(kind="artifact", run_id=self.run_id, body={"path": path, "sha256": digest})
        if self.tags:
            return Write(kind="tags", run_id=self.run_id, body={"tags": dict(self.tags)})
        if self.inputs:
            return Write(kind="inputs", run_id=self.run_id, body={"inputs": [one.model_dump() for one in self.inputs]})
        if self.end and not self.end_acknowledged:
            return Write(kind="end", run_id=self.run_id, body=self.end.model_dump())
        return None

    @contextmanager
    def artifact_file(self, write: Write) -> Iterator[Path | None]:
        """Context manager that yields the verified file of an artifact, or None for other writes. Raises DamagedJournal."""
        if write.kind != "artifact":
            yield None
        elif (content := self._memory.get(write.body["path"])) is not None:
            with tempfile.TemporaryDirectory(prefix="ganbench-") as folder:
                file = Path(folder) / Path(write.body["path"]).name
                file.write_bytes(content)
                yield file
        else:
            file = self._artifact_path(write.body["path"])
            try:
                intact = hashlib.sha256(file.read_bytes()).hexdigest() == write.body["sha256"]
            except OSError as error:
                raise DamagedJournal(f"{file} is damaged: {one_line(error, most=120)}") from error
            if not intact:
                raise DamagedJournal(f"{file} is damaged: its hash does not match")
            yield file

    def acknowledge(self, write: Write) -> None:
        """Record that the store has acknowledged a write."""
        self._remove(write)
        if write.kind == "artifact" and self._memory.pop(write.body["path"], None) is None and self.end is None:
            self._artifact_path(write.body["path"]).unlink(missing_ok=True)

    def refuse(self, write: Write) -> None:
        """Set aside a write that the store refuses permanently, or that is damaged."""
        self._remove(write)
        self._refused.append(write)

    def save(self) -> None:
        """Save the journal of an ended run. After an OSError, which it raises, the journal stays in memory."""
        try:
            self.flush_to_disk()
            state = self.state_dict()
            write_atomic(self.file, json.dumps({"journal": state, "sha256": digest_of(state)}).encode())
        except OSError as error:
            self._warn(self.file, error)
            raise

    def close(self) -> None:
        """Remove the journal from disk if no write is pending, else save it. Raises OSError."""
        if self.pending:
            self.save()
            return
        self.file.unlink(missing_ok=True)
        shutil.rmtree(self._artifact_path(""), ignore_errors=True)
        with suppress(OSError):  # the folder has artifacts of another run, or does not exist
            self._artifact_path("").parent.rmdir()

    def supersede(self) -> None:
        """Replace the saved journal of an earlier end of this run, because the run resumes. Raises OSError."""
        with suppress(DamagedJournal):
            self.artifacts = RunJournal.read(self.file).artifacts | self.artifacts
        self.file.unlink(missing_ok=True)

    def restore(self, state: Mapping[str, Any], *, resumed: bool) -> None:
        """Restore the journal of a checkpoint. Raises DamagedJournal.

        Unless `resumed`, the run in the store is new. Then all points are pending, and artifacts and tags are not restored.
        """
        earlier = RunJournal.from_state(state, self.folder)
        self.points = earlier.points
        if resumed:
            self.acknowledged = earlier.acknowledged
            self.artifacts, self.tags = earlier.artifacts | self.artifacts, earlier.tags | self.tags
            self.inputs = self.inputs or earlier.inputs

    def state_dict(self) -> dict[str, Any]:
        """Return the journal as JSON values, without the contents of artifacts. Writes that are set aside are pending in it."""
        bodies = {kind: [write.body for write in self._refused if write.kind == kind] for kind in get_args(Kind)}
        state = {**self.model_dump(exclude={"points"}), "points": [list(point) for point in self.points]}
        state["acknowledged"] = min([self.acknowledged, *(body["from"] for body in bodies["points"])])
        state["artifacts"] |= {body["path"]: body["sha256"] for body in bodies["artifact"]}
        for body in bodies["tags"]:
            state["tags"] = body["tags"] | state["tags"]
        state["inputs"] = [one for body in bodies["inputs"] for one in body["inputs"]] or state["inputs"]
        state["end_acknowledged"] = self.end_acknowledged and not bodies["end"]
        return {**state, "refused": [write.label for write in self._refused]}

    def _remove(self, write: Write) -> None:
        """Remove a write from the pending writes."""
        if write.kind == "points":
            self.acknowledged = write.body["upto"]
        elif write.kind == "artifact":
            del self.artifacts[write.body["path"]]
        elif write.kind == "tags":
            self.tags = {key: value for key, value in self.tags.items() if write.body["tags"].get(key) != value}
        elif write.kind == "inputs":
            self.inputs = []
        else:
            self.end_acknowledged = True

    def _warn(self, path: Path, error: OSError) -> None:
        if not self._warned:
            log.warning("%s cannot be written (%s): the writes of %s stay in memory", path, error.strerror or error, self.name)
        self._warned = True

    @property
    def _run_folder(self) -> Path:
        if self.folder is None:
            raise ValueError("the journal has no folder")
        return self.folder

    def _artifact_path(self, path: str) -> Path:
        return self._run_folder / ARTIFACTS / self.run_id / path


def _is_metric_of_mlflow(point: Point) -> bool:
    """Return whether MLflow gets a point. Only metrics have keys with `SE`; this process may not have registered all of them."""
    key = point[2]
    return math.isfinite(point[3]) and (not key.endswith(SE) or key.startswith("train/"))


def digest_of(state: Mapping[str, Any]) -> str:
    """Return the hash of JSON values, which is stored beside them."""
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()
