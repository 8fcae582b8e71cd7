"""Artifacts of runs by name, wherever the store keeps them. Imports no torch."""

from __future__ import annotations

import json
import logging
import os
import re
import stat
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

from bench.core.errors import UserError
from bench.core.text import pluralise, stays_inside
from bench.tracking import store

SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
log = logging.getLogger(__name__)


class ArtifactStoreError(UserError):
    """The artifact store answered with an error, so nothing is known about what it holds."""


class DamagedArtifact(UserError):
    """An artifact that was read in full and is not in its format."""


class Artifacts:
    """Artifacts of some runs: read in place where they are local files, downloaded once where they are not.

    A missing artifact is None. Anything else that keeps an artifact from being read is an `ArtifactStoreError`.
    What was downloaded is deleted when this object goes, or the process.
    """

    def __init__(self, client: Any, roots: Mapping[str, str]) -> None:
        self._client = client
        self._roots = roots  # run_id -> artifact URI

    def get(self, run_id: str, path: str) -> Path | None:
        """The local file of an artifact, or None."""
        root = self._roots.get(run_id, "")
        if not root or not stays_inside(path):
            return None
        if not _is_local(root):
            return self._downloaded(run_id, path)
        local = Path(_file_uri_path(root)) / path
        with self._answering(run_id, path):
            return local if _is_regular_file(local) else None

    def read(self, run_id: str, path: str) -> bytes | None:
        """The content of an artifact, or None."""
        found = self.get(run_id, path)
        with self._answering(run_id, path):
            return None if found is None else found.read_bytes()

    def names(self, run_id: str, folder: str) -> list[str]:
        """Paths of the artifacts directly in a folder ("": the root), sorted."""
        root = self._roots.get(run_id, "")
        if not root:
            return []
        with self._answering(run_id, folder):
            if _is_local(root):
                return sorted(str(PurePosixPath(folder) / name) for name in _file_names(Path(_file_uri_path(root)) / folder))
            found = [file.path for file in self._listed(run_id, folder) if not file.is_dir]
            return sorted(path for path in found if stays_inside(path) and PurePosixPath(path).parent == PurePosixPath(folder))

    def missing(self, run_ids: Iterable[str]) -> list[Path]:
        """Return the local folders that should hold the artifacts of these runs and do not exist."""
        roots = [root for run_id in run_ids if (root := self._roots.get(run_id, "")) and _is_local(root)]
        return [folder for root in roots if not (folder := Path(_file_uri_path(root))).is_dir()]

    def warn_of_missing(self, run_ids: Iterable[str]) -> None:
        """Say how many of these runs have lost their artifacts, and where those are expected."""
        folders = self.missing(run_ids)
        experiments = sorted({str(folder.parent.parent) for folder in folders})
        if experiments:
            where = " and ".join(experiments[:3]) + (" and elsewhere" if len(experiments) > 3 else "")
            log.warning("artifacts of %s are missing: expected in %s", pluralise(len(folders), "run"), where)

    def read_json(self, run_id: str, path: str) -> dict[str, Any] | None:
        """A JSON object, or None; a damaged one is logged and None."""
        content = self.read(run_id, path)
        if content is None:
            return None
        try:
            value = _parsed(content.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            log.warning("artifact %s of run %s cannot be read: %s", path, run_id, error)
            return None
        return value if isinstance(value, dict) else None

    def location(self, run_id: str) -> str:
        """Where a run's artifacts are, without passwords."""
        root = self._roots.get(run_id, "")
        server = getattr(self._client, "tracking_uri", "") if root.startswith("mlflow-artifacts:") else ""
        return (store.redacted(root) or "the store") + (f" at {store.redacted(server)}" if server else "")

    def _downloaded(self, run_id: str, path: str) -> Path | None:
        target = self._cache / run_id / path
        if target.is_file():
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._answering(run_id, path):
            try:
                return Path(self._client.download_artifacts(run_id, path, str(self._cache / run_id)))
            except Exception:  # every artifact store has errors of its own, also for a missing artifact: only a list tells
                target.unlink(missing_ok=True)  # part of it may have arrived
                parent = PurePosixPath(path).parent
                if path not in self.names(run_id, "" if parent == PurePosixPath() else str(parent)):
                    return None
                raise

    def _listed(self, run_id: str, folder: str) -> Sequence[Any]:
        try:
            return list(self._client.list_artifacts(run_id, folder))
        except Exception as error:
            if _is_not_found(error):
                return []
            raise

    @contextmanager
    def _answering(self, run_id: str, path: str) -> Iterator[None]:
        """Context manager that turns whatever an artifact store raises into an `ArtifactStoreError`."""
        try:
            yield
        except UserError:
            raise
        except Exception as error:  # MLflow, requests and the clients of clouds have no common base
            uri = getattr(self._client, "tracking_uri", "")
            why = store.without_secrets(store.plain_error(error, uri), self._roots[run_id])
            what = f"{path or 'the artifacts'} of the run {run_id} cannot be read"
            raise ArtifactStoreError(f"the artifact store {self.location(run_id)} fails: {what}: {why}") from error

    @cached_property
    def _cache(self) -> Path:
        folder = tempfile.TemporaryDirectory(prefix="ganbench-artifacts-", ignore_cleanup_errors=True)
        weakref.finalize(self, folder.cleanup)  # left to itself, the folder warns when it goes
        return Path(folder.name)


def _parsed(text: str) -> Any:
    """JSON as a value; halves of surrogate pairs, which no file and no page can hold, become question marks."""
    value = json.loads(text)
    if SURROGATE.search(text) is None:
        return value
    return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


def _is_regular_file(path: Path) -> bool:
    """Whether a file is there. Unlike `Path.is_file`, raises where that cannot be found out."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # the last: no path at all
        return False


def _file_names(folder: Path) -> list[str]:
    """The names of the files in a folder; none where there is no such folder."""
    try:
        with os.scandir(folder) as found:
            return [entry.name for entry in found if entry.is_file()]
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return []


def _is_not_found(error: Exception) -> bool:
    """Whether an artifact store says that something is not there."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status == 404 or getattr(error, "error_code", None) == "RESOURCE_DOES_NOT_EXIST"


def _is_local(uri: str) -> bool:
    try:
        return urlparse(uri).scheme in ("", "file")  # a server's own are "mlflow-artifacts:/..."
    except ValueError:  # it is none at all: whoever asks for it is told so
        return False


def _file_uri_path(uri: str) -> str:
    return url2pathname(urlparse(uri).path) if uri.startswith("file:") else uri
