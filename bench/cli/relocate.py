"""Hidden command `ganbench relocate`, which `make ui` calls before it starts MLflow's server."""

from __future__ import annotations

from bench.cli.common import app, say


@app.command(hidden=True)
def relocate() -> None:
    """Update the artifact locations of a store that has moved, and print the URI for MLflow's server.

    If that store is read-only, update a copy in the cache folder instead.
    """
    import sqlite3

    from bench.core.config import short_hash
    from bench.core.errors import UserError
    from bench.data.cache import cache_root
    from bench.tracking import relocation, store

    uri = store.tracking_uri()
    store.connect(uri)
    path = store.sqlite_path(uri)
    if path is not None and not store.is_writable(path) and relocation.moves_of(path).folders:
        copy = cache_root() / "stores" / short_hash(str(path)) / path.name
        try:
            copy.parent.mkdir(parents=True, exist_ok=True)
            relocation.relocated_copy(path, copy)
        except (OSError, sqlite3.Error) as error:
            raise UserError(
                f"{path} has moved and is read-only, and cannot be copied to {copy}: {error}; make one of the folders writable"
            ) from error
        uri = f"sqlite:///{copy}"
    say(uri)
