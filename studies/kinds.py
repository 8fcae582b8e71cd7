"""Select the kind of storage for trials from the option --storage."""

from __future__ import annotations

from pathlib import Path

from bench.core.errors import UserError
from bench.tracking.store import redacted
from studies.storage import Storage

POSTGRES = ("postgresql", "postgresql+psycopg", "postgres")


def is_journal(given: str) -> bool:
    """Return whether a storage is a path of a journal file."""
    return "://" not in given


def check_kind(given: str) -> None:
    """Raise a UserError unless `given` is a path or a PostgreSQL address. The function does not connect."""
    if not given.strip():
        raise UserError("--storage takes the path of a journal file or postgresql://USER@HOST/NAME, not an empty string")
    if not is_journal(given) and given.partition("://")[0] not in POSTGRES:
        raise UserError(
            f"--storage {redacted(given)} is neither a path nor a PostgreSQL address: use a path, or postgresql://USER@HOST/NAME"
        )


def open_storage(given: str) -> Storage:
    """Open the storage at a path or at postgresql://... Raises UserError for another kind, or if it does not answer."""
    from studies.database import open_database
    from studies.journal import open_journal

    check_kind(given)
    return open_journal(Path(given)) if is_journal(given) else open_database(given)
