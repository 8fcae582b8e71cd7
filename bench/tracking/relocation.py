"""Artifact locations of a SQLite store after a move, renaming or copy of its folder. Imports neither MLflow nor torch.

MLflow records the location of artifacts as an absolute path. The artifacts of an experiment of ganbench are in `mlruns/<experiment>` beside the
database. A recorded location may end like this, but have another root. If that folder exists beside the database, the store has been moved or
copied. This holds even if the old folder still exists, because a copy must not use the artifacts of its original.
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
BUSY_SECONDS = 20.0  # timeout for another writer, as in MLflow


@dataclass(frozen=True, kw_only=True)
class Moves:
    """Recorded folders of experiments, and their current folders. It is empty for a store that has not moved."""

    folders: Mapping[Path, Path]

    def locate(self, uri: str) -> str:
        """Return the current location for a recorded one."""
        path = local_path(uri)
        old = next((folder for folder in (path, *path.parents) if folder in self.folders), None) if path else None
        if path is None or old is None:
            return uri
        new = self.folders[old] / path.relative_to(old)
        return new.as_uri() if uri.startswith("file:") else str(new)


def local_path(uri: str) -> Path | None:
    """Return the absolute path of a location, or None if it is relative, or neither a local path nor a file:// URI."""
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
    """Return the folders that have moved since MLflow recorded their locations. Raises sqlite3.Error."""
    with open_database(database) as connection:
        return _moves(connection, database.parent)


def artifact_uri(database: Path, run_id: str) -> str | None:
    """Return the current artifact location of a run, or None for an unknown run. Raises sqlite3.Error."""
    with open_database(database) as connection:
        row = connection.execute("SELECT artifact_uri FROM runs WHERE run_uuid = ?", (run_id,)).fetchone()
        return _moves(connection, database.parent).locate(row[0]) if row and row[0] else None


def relocate(database: Path) -> None:
    """Update the locations in a moved database in one transaction, after a backup of the database.

    Raises OSError or sqlite3.Error if the files cannot be written. Then the database does not change.
    """
    if not moves_of(database).folders:
        return
    backup = database.with_name(f"{database.name}.before-move")
    with FileLock(f"{database}.lock"), open_database(database) as connection:
        connection.execute("BEGIN IMMEDIATE")
        moves = _moves(connection, database.parent)
        if not moves.folders:  # another process has done it
            return
        _back_up(database, backup)
        runs = _update(connection, moves)
        connection.execute("COMMIT")
    many = pluralise(len(runs), "run")
    log.warning("the folder of %s has been moved or copied: updated the artifact locations of %s (backup: %s)", database, many, backup.name)
    _warn_of_old_artifacts(runs)


def relocated_copy(database: Path, target: Path) -> None:
    """Copy a read-only database and update the locations in the copy. Raises OSError or sqlite3.Error."""
    _back_up(database, target)
    with open_database(target) as connection:
        connection.execute("BEGIN")
        _update(connection, _moves(connection, database.parent))
        connection.execute("COMMIT")


def is_same_store(before: Path, now: Path, run_id: str, journal: Path) -> bool:
    """Return whether the database `before`, to which a journal belongs, has been moved or copied to `now`.

    This is so if database and journal have been moved or copied together. It is also so if only the database has moved, and `before` does not
    exist.
    """
    if not _has_run(now, run_id):
        return False
    together = before.name == now.name and journal.resolve().is_relative_to(now.parent)
    return together or not _has_run(before, run_id)


@contextmanager
def open_database(database: Path) -> Iterator[sqlite3.Connection]:
    """Context manager that connects to an existing database, which may be read-only. It rolls back uncommitted changes."""
    connection = sqlite3.connect(f"{database.as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    with closing(connection):
        yield connection


def _moves(connection: sqlite3.Connection, here: Path) -> Moves:
    rows = connection.execute("SELECT name, artifact_location FROM experiments WHERE artifact_location IS NOT NULL").fetchall()
    beside = f"{(here / ARTIFACTS).as_uri()}/"
    elsewhere = [(name, local_path(location)) for name, location in rows if not location.startswith(beside)]
    recorded = [(name, folder) for name, folder in elsewhere if folder is not None and ".." not in folder.parts]
    old_roots = {
        root for name, folder in recorded if (root := _root(folder, name)) not in (None, here) and (here / ARTIFACTS / name).is_dir()
    }
    found = {}
    for name, folder in recorded:
        root = next((root for root in old_roots if folder.is_relative_to(root / ARTIFACTS)), None)
        if root is None:
            continue
        new = here / folder.relative_to(root)
        if _root(folder, name) == root or new.is_dir():  # an experiment may have been renamed
            found[folder] = new
    return Moves(folders=found)


def _root(folder: Path, experiment: str) -> Path | None:
    """Return the folder of the database whose experiment has its artifacts in `folder`, or None if ganbench does not name folders like this."""
    tail = Path(ARTIFACTS, experiment).parts
    fits = stays_inside(experiment) and folder.parts[-len(tail) :] == tail
    return folder.parents[len(tail) - 1] if fits else None


def _update(connection: sqlite3.Connection, moves: Moves) -> list[tuple[str, str]]:
    """Update all moved locations, and return the old and the new location of each moved run."""
    changes: list[tuple[str, str]] = []
    for table, key, column in (("experiments", "experiment_id", "artifact_location"), ("runs", "run_uuid", "artifact_uri")):
        rows = connection.execute(f"SELECT {key}, {column} FROM {table} WHERE {column} IS NOT NULL").fetchall()
        moved = [(row_id, uri, now) for row_id, uri in rows if (now := moves.locate(uri)) != uri]
        connection.executemany(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", [(now, row_id) for row_id, _, now in moved])
        changes = [(uri, now) for _, uri, now in moved]
    return changes


def _back_up(database: Path, target: Path) -> None:
    """Copy the committed state of a database to `target`."""
    fresh = target.with_name(f".{target.name}.new")
    try:
        fresh.unlink(missing_ok=True)
        with open_database(database) as source, closing(sqlite3.connect(fresh)) as copy:
            source.backup(copy)
        os.replace(fresh, target)
    finally:
        for file in (fresh, fresh.with_name(f"{fresh.name}-journal")):
            file.unlink(missing_ok=True)


def _warn_of_old_artifacts(changes: Iterable[tuple[str, str]]) -> None:
    """Log a warning for runs that have artifacts only in the old folder, because a process wrote them after the move."""
    counts: Counter[tuple[Path, Path]] = Counter()
    for before, now in changes:
        old, new = local_path(before), local_path(now)
        if old and new and old.is_dir() and not new.is_dir():
            counts[old.parents[1], new.parents[1]] += 1
    for (old, new), many in counts.items():
        log.warning("artifacts of %s are in %s, not in %s: copy their folders there", pluralise(many, "run"), old, new)


def _has_run(database: Path, run_id: str) -> bool:
    """Return whether a database has a run. An existing database that cannot be read counts as having it."""
    if not os.path.exists(database):
        return False
    try:
        with open_database(database) as connection:
            return connection.execute("SELECT 1 FROM runs WHERE run_uuid = ?", (run_id,)).fetchone() is not None
    except sqlite3.Error:
        return True
