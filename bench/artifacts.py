"""Artifacts of runs by name, wherever the store keeps them. Imports no torch."""

from __future__ import annotations

import json
import logging
import re
import tempfile
import weakref
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

from bench.names import stays_inside
from bench.words import counted

SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
log = logging.getLogger(__name__)


class Artifacts:
    """Artifacts of some runs: read in place where they are local files, downloaded once where they are not.

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
        if _is_local(root):
            local = Path(_file_uri_path(root)) / path
            return local if local.is_file() else None
        return self._downloaded(run_id, path)

    def names(self, run_id: str, folder: str) -> list[str]:
        """Paths of the artifacts directly in a folder, sorted."""
        root = self._roots.get(run_id, "")
        if not root:
            return []
        if _is_local(root):
            return sorted(f"{folder}/{file.name}" for file in (Path(_file_uri_path(root)) / folder).glob("*") if file.is_file())
        try:
            found = [file.path for file in self._client.list_artifacts(run_id, folder) if not file.is_dir]
            return sorted(path for path in found if stays_inside(path) and PurePosixPath(path).parent == PurePosixPath(folder))
        except Exception as error:  # every artifact store has errors of its own
            log.debug("no artifacts %s of run %s: %s", folder, run_id, error)
            return []

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
            log.warning("artifacts of %s are missing: expected in %s", counted(len(folders), "run"), where)

    def read_json(self, run_id: str, path: str) -> dict[str, Any] | None:
        """A JSON object, or None."""
        found = self.get(run_id, path)
        if found is None:
            return None
        try:
            value = _parsed(found.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            log.warning("artifact %s of run %s cannot be read: %s", path, run_id, error)
            return None
        return value if isinstance(value, dict) else None

    def _downloaded(self, run_id: str, path: str) -> Path | None:
        target = self._cache / run_id / path
        if target.is_file():
            return target
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            return Path(self._client.download_artifacts(run_id, path, str(self._cache / run_id)))
        except Exception as error:  # every artifact store has errors of its own
            log.debug("no artifact %s of run %s: %s", path, run_id, error)
            return None

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


def _is_local(uri: str) -> bool:
    try:
        return urlparse(uri).scheme in ("", "file")  # a server's own are "mlflow-artifacts:/..."
    except ValueError:  # it is none at all: whoever asks for it is told so
        return False


def _file_uri_path(uri: str) -> str:
    return url2pathname(urlparse(uri).path) if uri.startswith("file:") else uri
