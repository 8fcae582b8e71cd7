"""Where results lie: the tracking URI made absolute, and whether there is a store behind it. Imports no torch."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from bench.errors import UserError, one_line

if TYPE_CHECKING:
    from mlflow import MlflowClient

DEFAULT_URI = "sqlite:///mlflow.db"
_IMPATIENT = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "5", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}


def tracking_uri(uri: str | None = None) -> str:
    """The given URI, else MLFLOW_TRACKING_URI, else sqlite:///mlflow.db, with a relative sqlite path made absolute."""
    uri = uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI
    path = sqlite_path(uri)
    if path and ("?" in str(path) or unquote(str(path)) != str(path)):
        raise UserError(f"the tracking store {str(path)!r} cannot be: in a URI, '?' and '%41' mean something else; choose another folder")
    return f"sqlite:///{path}" if path else uri


def sqlite_path(uri: str) -> Path | None:
    """The file behind a sqlite URI, absolute; None for any other store."""
    scheme, separator, rest = uri.partition(":///")
    return Path(rest).absolute() if separator and scheme == "sqlite" and rest else None


def redacted(uri: str) -> str:
    """The URI as it may be shown: without a user's name and password."""
    scheme, separator, rest = uri.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def connect(uri: str) -> MlflowClient:
    """A client of an existing store; one that is not there or does not answer is a UserError. Creates nothing."""
    path = sqlite_path(uri)
    if path and not path.exists():
        raise UserError(f"no results at {redacted(uri)}: run `make bench` first, or set MLFLOW_TRACKING_URI")
    return _answering_client(uri)


def create(uri: str) -> MlflowClient:
    """A client of a store, which is made if it is a sqlite file that is not there yet, by one process at a time."""
    path = sqlite_path(uri)
    if path is None:
        return _answering_client(uri)
    from filelock import FileLock

    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        raise UserError(f"the tracking store {path} cannot be written: choose another folder, or set MLFLOW_TRACKING_URI")
    # Two processes that open a new store at once would both migrate it and leave it unusable.
    with FileLock(f"{path}.lock"):
        return _answering_client(uri)


def _answering_client(uri: str) -> MlflowClient:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nothing leaves the machine unless the user wants it to
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    for name in ("mlflow", "alembic"):  # after the import, which sets their levels
        logging.getLogger(name).setLevel(logging.WARNING)

    try:
        with _environment(_IMPATIENT):
            client = MlflowClient(tracking_uri=uri, registry_uri=uri)
            client.search_experiments(max_results=1)
    except (MlflowException, OSError, ValueError) as error:
        raise UserError(f"the tracking store {redacted(uri)} does not answer: {_one_line(error, uri)}") from error
    except Exception as error:  # a database driver's own errors have no common base
        raise UserError(f"the tracking store {redacted(uri)} cannot be opened: {_one_line(error, uri)}") from error
    return client


def _one_line(error: Exception, uri: str) -> str:
    """The error's text without line breaks, and without the user's name and password that libraries repeat from the URI."""
    return one_line(str(error).replace(uri, redacted(uri)), most=160)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update({name: value for name, value in values.items() if before[name] is None})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
