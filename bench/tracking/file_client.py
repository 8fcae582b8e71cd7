"""MLflow client of a SQLite store. It finds the artifacts beside the database after a move of their folder."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.entities import PagedList

from bench.tracking import relocation
from bench.tracking.relocation import Moves


class FileClient(MlflowClient):
    """Client that resolves artifact locations after a move of the store.

    It resolves locations at each call, not only when it opens the store. One reason is that the database may be read-only. Another is that a
    process with another path to the same folder, for example in a container, may update the locations at any time.
    """

    def __init__(self, uri: str, database: Path) -> None:
        super().__init__(tracking_uri=uri, registry_uri=uri)
        self._database = database

    def get_run(self, run_id: str) -> Run:
        """Return a run with its current artifact location."""
        run = super().get_run(run_id)
        with _mlflow_errors():
            return _with_location(run, relocation.moves_of(self._database))

    def search_runs(self, *args: Any, **kwargs: Any) -> PagedList[Run]:
        """Return a page of runs with their current artifact locations."""
        page = super().search_runs(*args, **kwargs)
        with _mlflow_errors():
            moves = relocation.moves_of(self._database)
        for run in page:
            _with_location(run, moves)
        return page

    def log_artifact(self, run_id: str, local_path: str, artifact_path: str | None = None) -> None:
        """Write a file to the artifacts of a run."""
        with _mlflow_errors():
            uri = relocation.artifact_uri(self._database, run_id)
        if uri is None or relocation.local_path(uri) is None:
            super().log_artifact(run_id, local_path, artifact_path)
        else:  # MLflow caches locations by run id in each process, which gives a copy of a store the wrong ones
            repository: Any = get_artifact_repository(uri)
            repository.log_artifact(local_path, artifact_path)


def _with_location(run: Run, moves: Moves) -> Run:
    if moves.folders and run.info.artifact_uri:
        run.info._artifact_uri = moves.locate(run.info.artifact_uri)
    return run


@contextmanager
def _mlflow_errors() -> Iterator[None]:
    """Context manager that turns an error of SQLite into an MlflowException."""
    try:
        yield
    except sqlite3.Error as error:
        raise MlflowException(f"the database cannot be read: {error}") from error
