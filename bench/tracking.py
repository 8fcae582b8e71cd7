"""What is recorded in MLflow: experiments, parents, runs with their points, tags and artifacts, which `bench.delivery` sends."""

from __future__ import annotations

import json
import logging
import math
import os
import socket
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from bench import results, store
from bench.artifacts import Artifacts
from bench.delivery import PATIENT_SECONDS, Delivery, Direct, Posted, answering
from bench.errors import UserError
from bench.outbox import Kind

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

log = logging.getLogger(__name__)
BATCH = 1000  # metrics in one call, MLflow's limit
FLUSH_SECONDS = 10.0
MLFLOW_STATUS = {"finished": "FINISHED", "diverged": "FINISHED", "pruned": "KILLED", "interrupted": "KILLED", "failed": "FAILED"}
DONE = ("finished", "diverged", "pruned")  # statuses that are not trained again


def owner() -> str:
    """This process, as the tag `owner` of the runs it is making."""
    return f"{socket.gethostname()}:{os.getpid()}"


def owner_is_alive(tag: str) -> bool:
    """Whether the process behind an owner tag still runs; one on another machine is taken to."""
    host, _, pid = tag.rpartition(":")
    if host != socket.gethostname() or not pid.isdigit():
        return bool(host) and host != socket.gethostname()
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class Lookup:
    """What one experiment holds, read only. Without an experiment behind it, nothing."""

    def __init__(self, client: MlflowClient | None, experiment_id: str) -> None:
        self._client_or_none = client
        self._experiment_id = experiment_id

    @classmethod
    def of(cls, uri: str, experiment: str) -> Lookup:
        """The experiment of that name, or an empty lookup where the store or the experiment is not there. Makes nothing."""
        path = store.sqlite_path(uri)
        client = None if path and not path.exists() else store.connect(uri)
        found = client.get_experiment_by_name(experiment) if client else None
        return cls(client, str(found.experiment_id)) if found else cls(None, "")

    def find(self, fingerprint: str) -> list[Run]:
        """The runs of this experiment with that fingerprint, newest first."""
        return self._runs("fingerprint", fingerprint)

    def find_lineage(self, lineage: str) -> list[Run]:
        """The runs that differ in nothing but their length, newest first."""
        return self._runs("lineage", lineage)

    def find_reference(self, variant: str, dataset: str, protocol: str) -> list[Run]:
        """Finished reference rows for that data and protocol."""
        query = f"tags.kind = 'reference' and tags.variant = '{variant}' and tags.protocol = '{protocol}'"
        found = self._search(query)
        return [run for run in found if run.data.tags.get("status") == "finished" and run.data.tags.get("dataset") == dataset]

    def find_phase(self, phase: str) -> list[Run]:
        """The runs of a phase of a study, newest first."""
        return self._runs("phase", phase)

    def newest_parent(self) -> str:
        """The id of the run that stands for the newest execution; empty where there is none."""
        found = self._search("tags.kind = 'parent'")
        return str(found[0].info.run_id) if found else ""

    def find_parents(self, study: str) -> list[str]:
        """The ids of the runs that stand for a study, newest first."""
        return [str(run.info.run_id) for run in self._search(f"tags.kind = 'parent' and tags.study = '{study}'")]

    def _runs(self, tag: str, value: str) -> list[Run]:
        return self._search(f"tags.{tag} = '{value}' and tags.kind = 'run'")

    def _search(self, query: str) -> list[Run]:
        if self._client_or_none is None:
            return []
        order = ["attributes.start_time DESC"]
        return list(self._client_or_none.search_runs([self._experiment_id], filter_string=query, order_by=order))


class Tracker(Lookup):
    """One experiment of one store, which is made if need be."""

    def __init__(self, uri: str, experiment: str) -> None:
        self.uri = uri
        self.client: MlflowClient = store.create(uri)
        self.experiment = experiment
        with answering(uri):
            super().__init__(self.client, self._ensure_experiment(experiment))

    def _ensure_experiment(self, name: str) -> str:
        found = self.client.get_experiment_by_name(name)
        if found is not None and found.lifecycle_stage == "deleted":
            restore = f"mlflow experiments restore --experiment-id {found.experiment_id}"
            raise UserError(f"the experiment {name!r} was deleted in MLflow: `{restore}`, or `mlflow gc` to lose it for good")
        if found is not None:
            return str(found.experiment_id)
        path = store.sqlite_path(self.uri)
        location = (path.parent / "mlruns" / name).as_uri() if path else None
        try:
            return str(self.client.create_experiment(name, artifact_location=location))
        except Exception:  # another process was first
            found = self.client.get_experiment_by_name(name)
            if found is None:
                raise
            return str(found.experiment_id)

    def start_parent(self, name: str, tags: Mapping[str, str]) -> str:
        """The run that stands for one execution of a suite; returns its id, or "" where the store does not answer."""
        try:
            with answering(self.uri), store.impatient():
                run = self.client.create_run(self._experiment_id, run_name=name, tags={"kind": "parent", **tags})
        except UserError as error:
            log.warning("%s: this execution is not recorded", error)
            return ""
        return str(run.info.run_id)

    def reopen(self, run_id: str) -> None:
        """Let a parent run again."""
        self.client.set_tag(run_id, "status", "running")
        self.client.update_run(run_id, status="RUNNING")

    def tag(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of a run that has ended, or of a parent."""
        for key, value in tags.items():
            self.client.set_tag(run_id, key, value)

    def artifact(self, run_id: str, path: str, content: bytes) -> None:
        """Write an artifact of a parent, over what was there."""
        with tempfile.TemporaryDirectory(prefix="ganbench-") as folder:
            file = Path(folder) / path
            file.write_bytes(content)
            self.client.log_artifact(run_id, str(file))

    def read_json(self, run_id: str, path: str) -> dict[str, Any] | None:
        """A JSON artifact of a parent; None where it has none."""
        return Artifacts(self.client, {run_id: self.client.get_run(run_id).info.artifact_uri}).read_json(run_id, path)

    def steps(self, run_id: str, key: str) -> set[int]:
        """The steps at which a parent has a metric."""
        return {point.step for point in self.client.get_metric_history(run_id, key)}

    def metrics(self, run_id: str, points: Sequence[tuple[str, float, int]]) -> None:
        """Metrics of a parent: key, value and step of each."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        for start in range(0, len(points), BATCH):
            self.client.log_batch(run_id, metrics=[Metric(key, value, now, step) for key, value, step in points[start : start + BATCH]])

    def end_parent(self, run_id: str, status: str) -> None:
        """Close an execution; where the store does not answer it stays open, and that is said."""
        try:
            with answering(self.uri), store.impatient():
                self.client.set_tag(run_id, "status", status)
                self.client.set_terminated(run_id, MLFLOW_STATUS.get(status, "FINISHED"))
        except UserError as error:
            log.warning("%s: it is not told that this execution is %s", error, status)

    def start_run(
        self, name: str, tags: Mapping[str, str], params: Mapping[str, Any], *, parent: str | None = None, outbox: Path | None = None
    ) -> RunLog:
        """A run under way, owned by this process. With a folder for outboxes it outlives its store; the start alone needs it."""
        from mlflow.entities import Param

        given = {**tags, "status": "running", "owner": owner()} | ({"mlflow.parentRunId": parent} if parent else {})
        with answering(self.uri), store.impatient(PATIENT_SECONDS):
            run = self.client.create_run(self._experiment_id, run_name=name, tags=given)
            self.client.log_batch(run.info.run_id, params=[Param(path, str(value)) for path, value in params.items()])
        run_id = str(run.info.run_id)
        return RunLog(self.client, run_id, delivery=self._posted(run_id, tags, outbox))

    def resume_run(
        self, fingerprint: str, protocols: Mapping[str, str], *, parent: str | None = None, outbox: Path | None = None
    ) -> RunLog | None:
        """The newest run of that fingerprint if it was interrupted, opened again under the tags `protocols`; else None.

        A run whose marks were measured by another `curve_protocol` is not, for its curve would hold numbers of both; nor is one
        whose writes still wait.
        """
        with answering(self.uri):
            found = self.find(fingerprint)
        wanted = {"status": "interrupted", "curve_protocol": protocols["curve_protocol"]}
        if not found or any(found[0].data.tags.get(key) != value for key, value in wanted.items()):
            return None
        run_id = str(found[0].info.run_id)
        posted = self._posted(run_id, found[0].data.tags, outbox)
        if posted is not None and posted.waiting:
            posted.close()  # tries again, and says what stays
            if posted.waiting:
                return None
            posted = self._posted(run_id, found[0].data.tags, outbox)
        tags = {"status": "running", "reason": "", "owner": owner(), **protocols} | ({"mlflow.parentRunId": parent} if parent else {})
        with answering(self.uri), store.impatient(PATIENT_SECONDS):
            for key, value in tags.items():
                self.client.set_tag(run_id, key, value)
            self.client.update_run(run_id, status="RUNNING")
        return RunLog(self.client, run_id, resumed=True, delivery=posted)

    def _posted(self, run_id: str, tags: Mapping[str, str], outbox: Path | None) -> Posted | None:
        name = f"{tags.get('variant', 'run')} seed {tags.get('seed', '')}"
        return Posted(self.client, run_id, name=name, folder=outbox) if outbox else None

    def close(self, run_id: str, status: str, reason: str) -> None:
        """End a run on behalf of a process that cannot: one that died."""
        with answering(self.uri), store.impatient():
            for key, value in {"status": status, "reason": reason}.items():
                self.client.set_tag(run_id, key, value)
            self.client.set_terminated(run_id, MLFLOW_STATUS[status])


class RunLog:
    """What one run writes. Points are kept and sent in batches; the whole curve becomes one artifact at the end."""

    def __init__(self, client: MlflowClient, run_id: str, *, resumed: bool = False, delivery: Delivery | None = None) -> None:
        self.run_id = run_id
        self.resumed = resumed
        self.seconds = 0.0  # spent writing
        self._delivery = delivery or Direct(client, run_id)
        self._unsent: list[list[Any]] = []
        self._points: list[tuple[int, float, str, float]] = []
        self._flushed = time.monotonic()

    def points(self, values: Mapping[str, float], *, images: int, train_seconds: float) -> None:
        """Values of metric cards at a position of training. What is no finite number goes into the curve alone."""
        now = int(time.time() * 1000)
        for key, value in values.items():
            self._points.append((images, train_seconds, key, value))
            if math.isfinite(value):
                self._unsent.append([key, value, now, images])
        if time.monotonic() - self._flushed > FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Send what has gathered, and try again what could not be sent before."""
        while self._unsent:
            self._put("points", {"points": self._unsent[:BATCH]})
            self._unsent = self._unsent[BATCH:]
        started = time.perf_counter()
        self._delivery.nudge()
        self._flushed = time.monotonic()
        self.seconds += time.perf_counter() - started

    def tag(self, **tags: str) -> None:
        """Set tags."""
        self._put("tags", {"tags": tags})

    def json(self, path: str, value: Mapping[str, Any]) -> None:
        """A JSON artifact with sorted keys."""
        self.artifact(path, json.dumps(value, sort_keys=True, indent=2, allow_nan=False).encode())

    def artifact(self, path: str, content: bytes) -> None:
        """An artifact of these bytes."""
        self._put("artifact", {"path": path}, content)

    def _put(self, kind: Kind, body: dict[str, Any], content: bytes | None = None) -> None:
        started = time.perf_counter()
        self._delivery.put(kind, body, content)
        self.seconds += time.perf_counter() - started

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run must know of what it wrote: everything has been sent, or waits in the outbox."""
        self.flush()
        return {"points": [list(point) for point in self._points], "seconds": self.seconds}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on after these points."""
        self._points = [(int(images), float(seconds), str(key), float(value)) for images, seconds, key, value in state["points"]]
        self.seconds = float(state["seconds"])

    def finish(self, status: str, reason: str = "") -> None:
        """Send the rest, store the curve, and close the run with its status."""
        self.flush()
        self.artifact(results.CURVES, self._curve())
        self.tag(status=status, reason=reason[:4000])
        self._put("end", {"status": MLFLOW_STATUS[status], "ms": int(time.time() * 1000)})
        self._delivery.close()

    def _curve(self) -> bytes:
        frame = pd.DataFrame(self._points, columns=["images", "seconds", "key", "value"])
        frame = frame.astype({"images": "int64", "seconds": "float64", "key": object, "value": "float64"})
        return bytes(frame.to_parquet(index=False))
