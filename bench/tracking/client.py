"""Client of MLflow that reads and writes experiments, parent runs and runs. `bench.tracking.delivery` sends points, tags and artifacts."""

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
from bench.tracking.delivery import LONG_REQUEST_SECONDS, MLFLOW_STATUS, public_uri, store_errors
from bench.tracking.journal import BATCH, RunJournal
from bench.tracking.pages import NEWEST, checked, every_run, first_run
from bench.tracking.relocation import ARTIFACTS
from bench.tracking.results import REFERENCES
from bench.tracking.run_logger import RunLog
from bench.tracking.tags import EXPERIMENT_KIND, MODEL_TRAINING

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

log = logging.getLogger(__name__)
DONE = results.COMPLETE  # statuses of runs that are not retrained


def owner() -> str:
    """Return the host and id of this process, for the tag `owner` of its runs."""
    return f"{socket.gethostname()}:{os.getpid()}"


def is_trained_elsewhere(run: Run, uri: str, ours: Collection[str]) -> bool:
    """Return whether a process that shares no run lock with this one may be training a run.

    Such a process is on another machine, uses a tracking server and has another runs folder. `ours` are the ids of runs trained with this folder.
    """
    tags = run.data.tags
    host = tags.get("owner", "").rpartition(":")[0]
    if tags.get("status") != "running" or store.sqlite_path(uri) is not None or host in ("", socket.gethostname()):
        return False
    return str(run.info.run_id) not in ours


class Lookup:
    """Read access to one experiment. It is empty if the experiment does not exist."""

    def __init__(self, client: MlflowClient | None, experiment_id: str) -> None:
        self._client_if_any = client
        self._experiment_id = experiment_id

    @classmethod
    def of(cls, uri: str, experiment: str) -> Lookup:
        """Return the lookup of an experiment, which is empty if the store or the experiment does not exist. Creates nothing."""
        path = store.sqlite_path(uri)
        client = None if path and not store.has_database(path) else store.connect(uri)
        found = client.get_experiment_by_name(experiment) if client else None
        return cls(client, str(found.experiment_id)) if found else cls(None, "")

    @property
    def tags(self) -> dict[str, str]:
        """Tags of the experiment."""
        return dict(self._client_if_any.get_experiment(self._experiment_id).tags) if self._client_if_any else {}

    def runs(self) -> list[Run]:
        """Return all training runs, newest first."""
        return self._search("tags.kind = 'run'")

    def find(self, fingerprint: str) -> list[Run]:
        """Return the runs with a fingerprint, newest first."""
        return self._runs("fingerprint", fingerprint)

    def find_cell(self, variant: str, dataset: str, seed: int) -> list[Run]:
        """Return the runs of a variant on a dataset with a seed, with any settings and versions, newest first."""
        found = self._search(f"tags.variant = '{variant}' and tags.seed = '{seed}' and tags.kind = 'run'")
        return [run for run in found if run.data.tags.get("dataset") == dataset]

    def find_lineage(self, lineage: str) -> list[Run]:
        """Return the runs of a lineage, which differ only in length, newest first."""
        return self._runs("lineage", lineage)

    def find_reference(self, variant: str, dataset: str, protocol: str) -> list[Run]:
        """Return the finished reference rows of a dataset and an evaluation protocol."""
        query = f"tags.kind = 'reference' and tags.variant = '{variant}' and tags.protocol = '{protocol}'"
        found = self._search(query)
        return [run for run in found if run.data.tags.get("status") == "finished" and run.data.tags.get("dataset") == dataset]

    def has_ended(self, run_id: str) -> bool:
        """Return whether a run is complete or deleted. An unknown run is neither."""
        from mlflow.exceptions import MlflowException

        if self._client_if_any is None:
            return False
        try:
            run = self._client_if_any.get_run(run_id)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return False
            raise
        return run.info.lifecycle_stage != "active" or run.data.tags.get("status") in DONE

    def find_phase(self, phase: str) -> list[Run]:
        """Return the runs of a phase of a study, newest first."""
        return self._runs("phase", phase)

    def newest_parent(self, study: str = "") -> str:
        """Return the id of the newest parent run of the experiment or, if given, of a study. It is empty if no parent run exists."""
        query = "tags.kind = 'parent'" + (f" and tags.study = '{study}'" if study else "")
        client = self._client_if_any
        found = first_run(client, self._experiment_id, query, order=NEWEST) if client else None
        return str(found.info.run_id) if found else ""

    def _runs(self, tag: str, value: str) -> list[Run]:
        return self._search(f"tags.{tag} = '{value}' and tags.kind = 'run'")

    def _search(self, query: str) -> list[Run]:
        if self._client_if_any is None:
            return []
        return every_run(self._client_if_any, [self._experiment_id], query, order=NEWEST)


class Tracker(Lookup):
    """Read and write access to one experiment. It creates a missing experiment."""

    def __init__(self, uri: str, experiment: str) -> None:
        self.uri = uri
        self.client: MlflowClient = store.create(uri)
        self.experiment = experiment
        with store_errors(uri):
            super().__init__(self.client, self._ensure_experiment(experiment))

    def _ensure_experiment(self, name: str) -> str:
        from mlflow.exceptions import MlflowException

        found = self.client.get_experiment_by_name(name)
        if found is not None and found.lifecycle_stage == "deleted" and name == REFERENCES:
            self._restore_references(str(found.experiment_id))
        elif found is not None and found.lifecycle_stage == "deleted":
            restore = f"mlflow experiments restore --experiment-id {found.experiment_id}"
            raise UserError(f"the experiment {name!r} is deleted in MLflow: run `{restore}`, or `mlflow gc` to delete it permanently")
        if found is not None:
            return str(found.experiment_id)
        path = store.sqlite_path(self.uri)
        folder = path.parent / ARTIFACTS / name if path else None
        with _disk_errors(folder):
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)  # a folder beside a moved database shows that its artifacts have moved too
        try:
            location = folder.as_uri() if folder else None
            return str(self.client.create_experiment(name, artifact_location=location, tags={EXPERIMENT_KIND: MODEL_TRAINING}))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            found = self.client.get_experiment_by_name(name)  # another process has created it
            if found is None:
                raise
            return str(found.experiment_id)

    def _restore_references(self, experiment_id: str) -> None:
        """Restore the experiment to which every suite records its reference rows."""
        self.client.restore_experiment(experiment_id)
        log.warning("restored the experiment %r, which was deleted in MLflow: it contains the reference rows of all suites", REFERENCES)

    def start_parent(self, name: str, tags: Mapping[str, str]) -> str:
        """Create a parent run, and return its id. If the store does not answer, log a warning and return ""."""
        try:
            with store_errors(self.uri), store.short_timeout():
                run = self.client.create_run(self._experiment_id, run_name=name, tags={"kind": "parent", **tags})
        except UserError as error:
            log.warning("%s: the parent run of this command is not recorded", error)
            return ""
        return str(run.info.run_id)

    def reopen(self, run_id: str) -> None:
        """Set the status of a parent run to running again."""
        self.client.set_tag(run_id, "status", "running", synchronous=True)
        self.client.update_run(run_id, status="RUNNING")

    def tag_experiment(self, key: str, value: str) -> None:
        """Set a tag of the experiment."""
        with store_errors(self.uri), store.short_timeout():
            self.client.set_experiment_tag(self._experiment_id, key, value)

    def tag(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of an ended run, or of a parent run."""
        for key, value in tags.items():
            self.client.set_tag(run_id, key, value, synchronous=True)

    def artifact(self, run_id: str, path: str, content: bytes) -> None:
        """Write an artifact of a parent run. Overwrites an existing one."""
        with tempfile.TemporaryDirectory(prefix="ganbench-") as folder:
            file = Path(folder) / path
            file.write_bytes(content)
            self.client.log_artifact(run_id, str(file))

    def read_json(self, run_id: str, path: str) -> dict[str, Any] | None:
        """Return a JSON artifact of a parent run, or None if it is missing."""
        return Artifacts(self.client, {run_id: self.client.get_run(run_id).info.artifact_uri}).read_json(run_id, path)

    def steps(self, run_id: str, key: str) -> set[int]:
        """Return the steps at which a parent run has a metric."""
        return {point.step for point in self.client.get_metric_history(run_id, key)}

    def metrics(self, run_id: str, points: Sequence[tuple[str, float, int]]) -> None:
        """Log metrics of a parent run. Each point is a key, a value and a step."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        for start in range(0, len(points), BATCH):
            self.client.log_batch(
                run_id, metrics=[Metric(key, value, now, step) for key, value, step in points[start : start + BATCH]], synchronous=True
            )

    def end_parent(self, run_id: str, status: str) -> None:
        """Set the final status of a parent run. If the store does not answer, log a warning."""
        try:
            with store_errors(self.uri), store.short_timeout():
                self.client.set_tag(run_id, "status", status, synchronous=True)
                self.client.set_terminated(run_id, MLFLOW_STATUS.get(status, "FINISHED"))
        except UserError as error:
            log.warning("cannot set the status of the parent run to %s: %s", status, error)

    def start_run(
        self, name: str, tags: Mapping[str, str], params: Mapping[str, Any], *, parent: str | None = None, folder: Path | None = None,
        check: Callable[[], None] = free,
    ) -> RunLog:  # fmt: skip
        """Create a run of this process, and return its log. If `folder` is given for its journal, only the start needs the store.

        The log calls `check` before every write. It raises LockLost if another process has taken over the run lock.
        """
        from mlflow.entities import Param

        check()
        with store_errors(self.uri), store.short_timeout(LONG_REQUEST_SECONDS):
            run = checked(self.client.create_run(self._experiment_id, run_name=name, tags={**tags, **_running_tags(parent)}))
            self.client.log_batch(run.info.run_id, params=[Param(path, str(value)) for path, value in params.items()], synchronous=True)
        return RunLog(self.client, self._journal(str(run.info.run_id), tags, folder), started=int(run.info.start_time or 0), check=check)

    def reopen_run(
        self, run_id: str, tags: Mapping[str, str], params: Mapping[str, Any], *, resumed: bool, parent: str | None = None,
        folder: Path | None = None, renew: Sequence[str] = (), check: Callable[[], None] = free,
    ) -> RunLog:  # fmt: skip
        """Reopen an interrupted run whose run lock the caller holds, and return its log. `check` is as in `start_run`.

        If the run is `resumed` from the journal of its checkpoint, set only the tags in `renew`. Otherwise, set all tags and parameters.
        """
        from mlflow.entities import Param

        check()
        current = {**({key: tags[key] for key in renew} if resumed else tags), "reason": "", **_running_tags(parent)}
        with store_errors(self.uri), store.short_timeout(LONG_REQUEST_SECONDS):
            for key, value in current.items():
                self.client.set_tag(run_id, key, value, synchronous=True)
            if not resumed:
                self.client.log_batch(run_id, params=[Param(path, str(value)) for path, value in params.items()], synchronous=True)
            self.client.update_run(run_id, status="RUNNING")
            started = int(self.client.get_run(run_id).info.start_time or 0)
        journal = self._journal(run_id, tags, folder)
        if folder is not None:
            with _disk_errors(folder):
                journal.supersede()
        return RunLog(self.client, journal, started=started, resumed=resumed, check=check)

    def _journal(self, run_id: str, tags: Mapping[str, str], folder: Path | None) -> RunJournal:
        name = f"{tags.get('variant', 'run')} seed {tags.get('seed', '')}"
        return RunJournal(folder=folder, run_id=run_id, name=name, store=public_uri(self.uri))

    def close(self, run_id: str, status: str, reason: str) -> None:
        """End a run whose process is dead, with a status and a reason."""
        with store_errors(self.uri), store.short_timeout():
            for key, value in {"status": status, "reason": reason}.items():
                self.client.set_tag(run_id, key, value, synchronous=True)
            self.client.set_terminated(run_id, MLFLOW_STATUS[status])


def _running_tags(parent: str | None) -> dict[str, str]:
    return {"status": "running", "owner": owner()} | ({"mlflow.parentRunId": parent} if parent else {})


@contextmanager
def _disk_errors(folder: Path | None) -> Iterator[None]:
    """Context manager that turns an OSError into a UserError."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror or error}; choose another folder") from error
