"""The kinds of storage that there are for trials, by how they are given."""

from __future__ import annotations

from pathlib import Path

from bench.core.errors import UserError
from bench.tracking.store import redacted
from studies.storage import Storage

POSTGRES = ("postgresql", "postgresql+psycopg", "postgres")


def is_journal(given: str) -> bool:
    """Whether a storage is a path."""
    return "://" not in given


def check_kind(given: str) -> None:
    """A UserError for what is neither a path nor a PostgreSQL database. Asks nobody."""
    if not given.strip():
        raise UserError("--storage takes the path of a journal file or postgresql://USER@HOST/NAME, not an empty text")
    if not is_journal(given) and given.partition("://")[0] not in POSTGRES:
        raise UserError(f"--storage {redacted(given)} is neither a path of a journal file nor postgresql://USER@HOST/NAME")


def open_storage(given: str) -> Storage:
    """The storage at a path, or at postgresql://...; one that is of another kind or does not answer is a UserError."""
    from studies.database import open_database
    from studies.journal import open_journal

    check_kind(given)
    return open_journal(Path(given)) if is_journal(given) else open_database(given)
