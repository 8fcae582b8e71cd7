"""Artifact locations of a SQLite store whose folder was moved, renamed or copied. Imports neither MLflow nor torch.

MLflow records the location of artifacts as an absolute path. The artifacts of an experiment of ganbench lie in `mlruns/<experiment>` beside the
database. So a location that ends like this, where that folder lies beside the database too, was recorded in a folder that the store has left.
Whether the old folder still exists does not matter: a copy must not use the artifacts of its original.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

from filelock import FileLock

from bench.core.text import pluralise, stays_inside

log = logging.getLogger(__name__)
ARTIFACTS = "mlruns"  # the folder beside the database
BUSY_SECONDS = 20.0  # how long to wait for another writer, as MLflow does


@dataclass(frozen=True, kw_only=True)
class Moves:
    """Folders of experiments as they are recorded, and where they are now. Empty for a store that was not moved."""

    folders: Mapping[Path, Path]

    def located(self, uri: str) -> str:
        """Return where a recorded location is now."""
        path = local_path(uri)
        old = next((folder for folder in (path, *path.parents) if folder in self.folders), None) if path else None
        if path is None or old is None:
            return uri
        new = self.folders[old] / path.relative_to(old)
        return new.as_uri() if uri.startswith("file:") else str(new)


def local_path(uri: str) -> Path | None:
    """Return the absolute path that a location names; None for a relative one and for one that is not a local path or a file:// URI."""
    try:
        parsed = urlparse(uri)
    except ValueError:
        return None
    if uri.startswith("/"):
        return Path(uri)
    if parsed.scheme != "file" or parsed.netloc not in ("", "localhost") or not parsed.path.startswith("/"):
        return None
    return Path(url2pathname(parsed.path))


def moves_of(database: Path) -> Moves:
    """Return what moved since the locations in a database were recorded. Raises sqlite3.Error."""
    with opened(database) as connection:
        return _moves(connection, database.parent)


def artifact_uri(database: Path, run_id: str) -> str | None:
    """Return where the artifacts of a run are now; None for an unknown run. Raises sqlite3.Error."""
    with opened(database) as connection:
        row = connection.execute("SELECT artifact_uri FROM runs WHERE run_uuid = ?", (run_id,)).fetchone()
        return _moves(connection, database.parent).located(row[0]) if row and row[0] else None


def relocate(database: Path) -> None:
    """Update the locations in a database that was moved, in one transaction, and keep one copy of the database as it was.

    Raises OSError or sqlite3.Error where that cannot be written; the database is unchanged then.
    """
    if not moves_of(database).folders:
        return
    kept = database.with_name(f"{database.name}.before-move")
    with FileLock(f"{database}.lock"), opened(database) as connection:
        connection.execute("BEGIN IMMEDIATE")
        moves = _moves(connection, database.parent)
        if not moves.folders:  # another process did it
            return
        _back_up(database, kept)
        runs = _update(connection, moves)
        connection.execute("COMMIT")
    many = pluralise(len(runs), "run")
    log.warning("the folder of %s was moved or copied: the artifact locations of %s are updated (before: %s)", database, many, kept.name)
    _warn_of_artifacts_left(runs)


def relocated_copy(database: Path, target: Path) -> None:
    """Copy a database that cannot be written, with the locations updated in the copy. Raises OSError or sqlite3.Error."""
    _back_up(database, target)
    with opened(target) as connection:
        connection.execute("BEGIN")
        _update(connection, _moves(connection, database.parent))
        connection.execute("COMMIT")


def is_same_store(before: Path, now: Path, run_id: str, journal: Path) -> bool:
    """Return whether the database that a journal of a run is meant for is `now`, after a move or in a copied folder.

    Both the database and the journal were moved or copied together, or the database was moved and is no longer where it was.
    """
    if not _holds(now, run_id):
        return False
    together = before.name == now.name and journal.resolve().is_relative_to(now.parent)
    return together or not _holds(before, run_id)


@contextmanager
def opened(database: Path) -> Iterator[sqlite3.Connection]:
    """Context manager of a connection to an existing database, which may be read-only. What is not committed is rolled back."""
    connection = sqlite3.connect(f"{database.as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    with closing(connection):
        yield connection


def _moves(connection: sqlite3.Connection, here: Path) -> Moves:
    rows = connection.execute("SELECT name, artifact_location FROM experiments WHERE artifact_location IS NOT NULL").fetchall()
    beside = f"{(here / ARTIFACTS).as_uri()}/"
    elsewhere = [(name, local_path(location)) for name, location in rows if not location.startswith(beside)]
    recorded = [(name, folder) for name, folder in elsewhere if folder is not None and ".." not in folder.parts]
    left = {root for name, folder in recorded if (root := _root(folder, name)) not in (None, here) and (here / ARTIFACTS / name).is_dir()}
    found = {}
    for name, folder in recorded:
        root = next((root for root in left if folder.is_relative_to(root / ARTIFACTS)), None)
        if root is None:
            continue
        new = here / folder.relative_to(root)
        if _root(folder, name) == root or new.is_dir():  # an experiment may have been renamed
            found[folder] = new
    return Moves(folders=found)


def _root(folder: Path, experiment: str) -> Path | None:
    """Return the folder of the database that made an experiment with artifacts in `folder`; None where that is not ganbench's place for them."""
    tail = Path(ARTIFACTS, experiment).parts
    fits = stays_inside(experiment) and folder.parts[-len(tail) :] == tail
    return folder.parents[len(tail) - 1] if fits else None


def _update(connection: sqlite3.Connection, moves: Moves) -> list[tuple[str, str]]:
    """Update all locations that moved, and return those of runs: (before, now)."""
    changes: list[tuple[str, str]] = []
    for table, key, column in (("experiments", "experiment_id", "artifact_location"), ("runs", "run_uuid", "artifact_uri")):
        rows = connection.execute(f"SELECT {key}, {column} FROM {table} WHERE {column} IS NOT NULL").fetchall()
        moved = [(row_id, uri, now) for row_id, uri in rows if (now := moves.located(uri)) != uri]
        connection.executemany(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", [(now, row_id) for row_id, _, now in moved])
        changes = [(uri, now) for _, uri, now in moved]
    return changes


def _back_up(database: Path, target: Path) -> None:
    """Copy a database as it was last committed."""
    fresh = target.with_name(f".{target.name}.new")
    try:
        fresh.unlink(missing_ok=True)
        with opened(database) as source, closing(sqlite3.connect(fresh)) as copy:
            source.backup(copy)
        os.replace(fresh, target)
    finally:
        for file in (fresh, fresh.with_name(f"{fresh.name}-journal")):
            file.unlink(missing_ok=True)


def _warn_of_artifacts_left(changes: Iterable[tuple[str, str]]) -> None:
    """Say which runs have their artifacts only in the old folder: they were written after the store had left it."""
    left: Counter[tuple[Path, Path]] = Counter()
    for before, now in changes:
        old, new = local_path(before), local_path(now)
        if old and new and old.is_dir() and not new.is_dir():
            left[old.parents[1], new.parents[1]] += 1
    for (old, new), many in left.items():
        log.warning("artifacts of %s lie in %s, not in %s: copy their folders there", pluralise(many, "run"), old, new)


def _holds(database: Path, run_id: str) -> bool:
    """Return whether a database has a run. One that exists and cannot be read is taken to have it."""
    if not os.path.exists(database):
        return False
    try:
        with opened(database) as connection:
            return connection.execute("SELECT 1 FROM runs WHERE run_uuid = ?", (run_id,)).fetchone() is not None
    except sqlite3.Error:
        return True
