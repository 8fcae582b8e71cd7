"""What is recorded in MLflow: experiments, parents, runs with their points, tags and artifacts, which `bench.tracking.delivery` sends."""

from __future__ import annotations

import logging
import os
import socket
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.core.errors import UserError
from bench.core.lock_check import free
from bench.tracking import results, store
from bench.tracking.artifacts import Artifacts
from bench.tracking.delivery import MLFLOW_STATUS, PATIENT_SECONDS, answering, public_uri
from bench.tracking.journal import BATCH, Journal
from bench.tracking.pages import NEWEST, checked, every_run, first_run
from bench.tracking.relocation import ARTIFACTS
from bench.tracking.results import REFERENCES
from bench.tracking.run_logger import RunLog

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

log = logging.getLogger(__name__)
DONE = results.COMPLETE  # statuses that are not trained again


def owner() -> str:
    """This process, as the tag `owner` of the runs it is making."""
    return f"{socket.gethostname()}:{os.getpid()}"


def is_trained_elsewhere(run: Run, uri: str, ours: Collection[str]) -> bool:
    """Whether a run is recorded as running by a process that shares no run lock with the caller, who holds it: nobody knows if it lives.

    That is one on another machine, on a tracking server, with a runs folder of its own. `ours` are the MLflow runs trained with this folder.
    """
    tags = run.data.tags
    host = tags.get("owner", "").rpartition(":")[0]
    if tags.get("status") != "running" or store.sqlite_path(uri) is not None or host in ("", socket.gethostname()):
        return False
    return str(run.info.run_id) not in ours


class Lookup:
    """What one experiment holds, read only. Without an experiment behind it, nothing."""

    def __init__(self, client: MlflowClient | None, experiment_id: str) -> None:
        self._client_or_none = client
        self._experiment_id = experiment_id

    @classmethod
    def of(cls, uri: str, experiment: str) -> Lookup:
        """The experiment of that name, or an empty lookup where the store or the experiment is not there. Makes nothing."""
        path = store.sqlite_path(uri)
        client = None if path and not store.is_written(path) else store.connect(uri)
        found = client.get_experiment_by_name(experiment) if client else None
        return cls(client, str(found.experiment_id)) if found else cls(None, "")

    @property
    def tags(self) -> dict[str, str]:
        """The tags of the experiment itself."""
        return dict(self._client_or_none.get_experiment(self._experiment_id).tags) if self._client_or_none else {}

    def runs(self) -> list[Run]:
        """All training runs, newest first."""
        return self._search("tags.kind = 'run'")

    def find(self, fingerprint: str) -> list[Run]:
        """The runs of this experiment with that fingerprint, newest first."""
        return self._runs("fingerprint", fingerprint)

    def find_cell(self, variant: str, dataset: str, seed: int) -> list[Run]:
        """The runs of a variant on some data with a seed, whatever their settings and versions, newest first."""
        found = self._search(f"tags.variant = '{variant}' and tags.seed = '{seed}' and tags.kind = 'run'")
        return [run for run in found if run.data.tags.get("dataset") == dataset]

    def find_lineage(self, lineage: str) -> list[Run]:
        """The runs that differ in nothing but their length, newest first."""
        return self._runs("lineage", lineage)

    def find_reference(self, variant: str, dataset: str, protocol: str) -> list[Run]:
        """Finished reference rows for that data and protocol."""
        query = f"tags.kind = 'reference' and tags.variant = '{variant}' and tags.protocol = '{protocol}'"
        found = self._search(query)
        return [run for run in found if run.data.tags.get("status") == "finished" and run.data.tags.get("dataset") == dataset]

    def is_over(self, run_id: str) -> bool:
        """Whether a run has ended for good, or was deleted. One that the store does not know has not."""
        from mlflow.exceptions import MlflowException

        if self._client_or_none is None:
            return False
        try:
            run = self._client_or_none.get_run(run_id)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return False
            raise
        return run.info.lifecycle_stage != "active" or run.data.tags.get("status") in DONE

    def find_phase(self, phase: str) -> list[Run]:
        """The runs of a phase of a study, newest first."""
        return self._runs("phase", phase)

    def newest_parent(self, study: str = "") -> str:
        """The id of the run that stands for the newest execution, or for a study; empty where there is none."""
        query = "tags.kind = 'parent'" + (f" and tags.study = '{study}'" if study else "")
        client = self._client_or_none
        found = first_run(client, self._experiment_id, query, order=NEWEST) if client else None
        return str(found.info.run_id) if found else ""

    def _runs(self, tag: str, value: str) -> list[Run]:
        return self._search(f"tags.{tag} = '{value}' and tags.kind = 'run'")

    def _search(self, query: str) -> list[Run]:
        if self._client_or_none is None:
            return []
        return every_run(self._client_or_none, [self._experiment_id], query, order=NEWEST)


class Tracker(Lookup):
    """One experiment of one store, which is made if need be."""

    def __init__(self, uri: str, experiment: str) -> None:
        self.uri = uri
        self.client: MlflowClient = store.create(uri)
        self.experiment = experiment
        with answering(uri):
            super().__init__(self.client, self._ensure_experiment(experiment))

    def _ensure_experiment(self, name: str) -> str:
        from mlflow.exceptions import MlflowException

        found = self.client.get_experiment_by_name(name)
        if found is not None and found.lifecycle_stage == "deleted" and name == REFERENCES:
            self._restore_references(str(found.experiment_id))
        elif found is not None and found.lifecycle_stage == "deleted":
            restore = f"mlflow experiments restore --experiment-id {found.experiment_id}"
            raise UserError(f"the experiment {name!r} was deleted in MLflow: `{restore}`, or `mlflow gc` to lose it for good")
        if found is not None:
            return str(found.experiment_id)
        path = store.sqlite_path(self.uri)
        folder = path.parent / ARTIFACTS / name if path else None
        with _written(folder):
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)  # it shows in a moved or copied folder that the artifacts came along
        try:
            return str(self.client.create_experiment(name, artifact_location=folder.as_uri() if folder else None))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            found = self.client.get_experiment_by_name(name)  # another process was first
            if found is None:
                raise
            return str(found.experiment_id)

    def _restore_references(self, experiment_id: str) -> None:
        """Restore the experiment of the reference rows: every suite records them there, and no other may have its name."""
        self.client.restore_experiment(experiment_id)
        log.warning("the experiment %r was deleted in MLflow and is restored: it holds the reference rows of all suites", REFERENCES)

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
        self.client.set_tag(run_id, "status", "running", synchronous=True)
        self.client.update_run(run_id, status="RUNNING")

    def tag_experiment(self, key: str, value: str) -> None:
        """Set a tag of the experiment itself."""
        with answering(self.uri), store.impatient():
            self.client.set_experiment_tag(self._experiment_id, key, value)

    def tag(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of a run that has ended, or of a parent."""
        for key, value in tags.items():
            self.client.set_tag(run_id, key, value, synchronous=True)

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
            self.client.log_batch(
                run_id, metrics=[Metric(key, value, now, step) for key, value, step in points[start : start + BATCH]], synchronous=True
            )

    def end_parent(self, run_id: str, status: str) -> None:
        """Close an execution; where the store does not answer it stays open, and that is said."""
        try:
            with answering(self.uri), store.impatient():
                self.client.set_tag(run_id, "status", status, synchronous=True)
                self.client.set_terminated(run_id, MLFLOW_STATUS.get(status, "FINISHED"))
        except UserError as error:
            log.warning("%s: it is not told that this execution is %s", error, status)

    def start_run(
        self, name: str, tags: Mapping[str, str], params: Mapping[str, Any], *, parent: str | None = None, folder: Path | None = None,
        check: Callable[[], None] = free,
    ) -> RunLog:  # fmt: skip
        """A run under way, owned by this process. With a folder for its journal it outlives its store; only the start needs the store.

        `check` is called before every write, and raises where another process has taken the run over.
        """
        from mlflow.entities import Param

        check()
        with answering(self.uri), store.impatient(PATIENT_SECONDS):
            run = checked(self.client.create_run(self._experiment_id, run_name=name, tags={**tags, **_under_way(parent)}))
            self.client.log_batch(run.info.run_id, params=[Param(path, str(value)) for path, value in params.items()], synchronous=True)
        return RunLog(self.client, self._journal(str(run.info.run_id), tags, folder), check=check)

    def reopen_run(
        self, run_id: str, tags: Mapping[str, str], params: Mapping[str, Any], *, resumed: bool, parent: str | None = None,
        folder: Path | None = None, again: Sequence[str] = (), check: Callable[[], None] = free,
    ) -> RunLog:  # fmt: skip
        """A run that was stopped or lost its process, under way again; the caller holds its run lock. `check` as in `start_run`.

        If it is `resumed`, from the journal of its checkpoint, the tags `again` are set as they are now; else all tags and parameters are.
        """
        from mlflow.entities import Param

        check()
        given = {**({key: tags[key] for key in again} if resumed else tags), "reason": "", **_under_way(parent)}
        with answering(self.uri), store.impatient(PATIENT_SECONDS):
            for key, value in given.items():
                self.client.set_tag(run_id, key, value, synchronous=True)
            if not resumed:
                self.client.log_batch(run_id, params=[Param(path, str(value)) for path, value in params.items()], synchronous=True)
            self.client.update_run(run_id, status="RUNNING")
        journal = self._journal(run_id, tags, folder)
        if folder is not None:
            with _written(folder):
                journal.supersede()
        return RunLog(self.client, journal, resumed=resumed, check=check)

    def _journal(self, run_id: str, tags: Mapping[str, str], folder: Path | None) -> Journal:
        name = f"{tags.get('variant', 'run')} seed {tags.get('seed', '')}"
        return Journal(folder=folder, run_id=run_id, name=name, store=public_uri(self.uri))

    def close(self, run_id: str, status: str, reason: str) -> None:
        """End a run on behalf of a process that cannot: one that died."""
        with answering(self.uri), store.impatient():
            for key, value in {"status": status, "reason": reason}.items():
                self.client.set_tag(run_id, key, value, synchronous=True)
            self.client.set_terminated(run_id, MLFLOW_STATUS[status])


def _under_way(parent: str | None) -> dict[str, str]:
    return {"status": "running", "owner": owner()} | ({"mlflow.parentRunId": parent} if parent else {})


@contextmanager
def _written(folder: Path | None) -> Iterator[None]:
    """Context manager that raises what the disk refuses as a UserError."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror or error}") from error
