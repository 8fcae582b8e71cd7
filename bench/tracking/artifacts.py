"""Read access to artifacts of runs by name, local or on a server. Does not import torch."""

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
    """Error of an artifact store that does not answer, or refuses a request."""


class DamagedArtifact(UserError):
    """Error of an artifact that can be read, but is not in its format."""


class Artifacts:
    """Artifacts of some runs. It reads local files in place, and downloads each other file once.

    A missing artifact is None. Any other error in reading an artifact raises `ArtifactStoreError`.
    Downloaded files are deleted with this object, or when the process ends.
    """

    def __init__(self, client: Any, roots: Mapping[str, str]) -> None:
        self._client = client
        self._roots = roots  # run_id -> artifact URI

    def get(self, run_id: str, path: str) -> Path | None:
        """Return the local file of an artifact, or None."""
        root = self._roots.get(run_id, "")
        if not root or not stays_inside(path):
            return None
        if not _is_local(root):
            return self._download(run_id, path)
        local = Path(_file_uri_path(root)) / path
        with self._store_errors(run_id, path):
            return local if _is_regular_file(local) else None

    def read(self, run_id: str, path: str) -> bytes | None:
        """Return the content of an artifact, or None."""
        found = self.get(run_id, path)
        with self._store_errors(run_id, path):
            return None if found is None else found.read_bytes()

    def names(self, run_id: str, folder: str) -> list[str]:
        """Return the sorted paths of the artifacts directly in a folder. The root folder is ""."""
        root = self._roots.get(run_id, "")
        if not root:
            return []
        with self._store_errors(run_id, folder):
            if _is_local(root):
                return sorted(str(PurePosixPath(folder) / name) for name in _file_names(Path(_file_uri_path(root)) / folder))
            found = [file.path for file in self._list(run_id, folder) if not file.is_dir]
            return sorted(path for path in found if stays_inside(path) and PurePosixPath(path).parent == PurePosixPath(folder))

    def missing(self, run_ids: Iterable[str]) -> list[Path]:
        """Return the local folders of the artifacts of these runs that do not exist."""
        roots = [root for run_id in run_ids if (root := self._roots.get(run_id, "")) and _is_local(root)]
        return [folder for root in roots if not (folder := Path(_file_uri_path(root))).is_dir()]

    def warn_of_missing(self, run_ids: Iterable[str]) -> None:
        """Log a warning with the number of these runs whose artifacts are missing, and with the expected folders."""
        folders = self.missing(run_ids)
        experiments = sorted({str(folder.parent.parent) for folder in folders})
        if experiments:
            where = " and ".join(experiments[:3]) + (" and elsewhere" if len(experiments) > 3 else "")
            log.warning("artifacts of %s are missing: expected in %s", pluralise(len(folders), "run"), where)

    def read_json(self, run_id: str, path: str) -> dict[str, Any] | None:
        """Return a JSON object, or None for a missing artifact. A damaged artifact is None too, with a warning."""
        content = self.read(run_id, path)
        if content is None:
            return None
        try:
            value = _parse(content.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            log.warning("artifact %s of run %s cannot be read: %s", path, run_id, error)
            return None
        return value if isinstance(value, dict) else None

    def location(self, run_id: str) -> str:
        """Return the location of a run's artifacts, without passwords."""
        root = self._roots.get(run_id, "")
        server = getattr(self._client, "tracking_uri", "") if root.startswith("mlflow-artifacts:") else ""
        return (store.redacted(root) or "the store") + (f" at {store.redacted(server)}" if server else "")

    def _download(self, run_id: str, path: str) -> Path | None:
        target = self._cache / run_id / path
        if target.is_file():
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._store_errors(run_id, path):
            try:
                return Path(self._client.download_artifacts(run_id, path, str(self._cache / run_id)))
            except (
                Exception
            ):  # each kind of artifact store has other errors, also for a missing artifact: only the listing distinguishes them
                target.unlink(missing_ok=True)  # it may be incomplete
                parent = PurePosixPath(path).parent
                if path not in self.names(run_id, "" if parent == PurePosixPath() else str(parent)):
                    return None
                raise

    def _list(self, run_id: str, folder: str) -> Sequence[Any]:
        try:
            return list(self._client.list_artifacts(run_id, folder))
        except Exception as error:
            if _is_not_found(error):
                return []
            raise

    @contextmanager
    def _store_errors(self, run_id: str, path: str) -> Iterator[None]:
        """Context manager that turns any error of an artifact store into an `ArtifactStoreError`."""
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
        weakref.finalize(self, folder.cleanup)  # without this, Python warns when it deletes the folder
        return Path(folder.name)


def _parse(text: str) -> Any:
    """Parse JSON. Unpaired surrogates, which cannot be encoded as UTF-8, become question marks."""
    value = json.loads(text)
    if SURROGATE.search(text) is None:
        return value
    return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


def _is_regular_file(path: Path) -> bool:
    """Return whether a path is a regular file. Unlike `Path.is_file`, raises OSError if that cannot be determined."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: not a valid path
        return False


def _file_names(folder: Path) -> list[str]:
    """Return the names of the files in a folder. The list is empty if the folder does not exist."""
    try:
        with os.scandir(folder) as found:
            return [entry.name for entry in found if entry.is_file()]
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return []


def _is_not_found(error: Exception) -> bool:
    """Return whether an error of an artifact store means that something does not exist."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status == 404 or getattr(error, "error_code", None) == "RESOURCE_DOES_NOT_EXIST"


def _is_local(uri: str) -> bool:
    try:
        return urlparse(uri).scheme in ("", "file")  # locations on a server are "mlflow-artifacts:/..."
    except ValueError:  # not a valid URI: reading the artifact raises an error
        return False


def _file_uri_path(uri: str) -> str:
    return url2pathname(urlparse(uri).path) if uri.startswith("file:") else uri
