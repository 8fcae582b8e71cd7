"""Tracking store: its URI, its creation, and connections to it. Does not import torch."""

from __future__ import annotations

import logging
import os
import re
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from bench.core.errors import UserError, one_line
from bench.tracking import relocation

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)
DEFAULT_URI = "sqlite:///mlflow.db"
USER, PASSWORD = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"  # MLflow's own variables
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_SQLITE = b"SQLite format 3\0"  # first bytes of every SQLite file
_HTTP_STATUS = re.compile(r"failed with error code ([0-9]{3})")
_TRANSIENT = (401, 408, 429)
_SCHEMA = re.compile(r"database schema \(found version (?!None)(\w+), but expected \w+\)")  # MLflow's error for tables of another version
_OF_SQLALCHEMY = re.compile(r"\s*(\[SQL: .*|\(Background on this error at: .*)", re.DOTALL)  # details that do not help a user


def tracking_uri(uri: str | None = None) -> str:
    """Return the given URI, else MLFLOW_TRACKING_URI, else sqlite:///mlflow.db, with an absolute path. Raises UserError."""
    uri = uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI
    path = sqlite_path(uri)
    if path is None and uri.startswith("sqlite"):
        raise UserError(f"the tracking store {redacted(uri)!r} names no file: write it as sqlite:///PATH")
    if path and ("?" in str(path) or unquote(str(path)) != str(path)):
        raise UserError(
            f"the tracking store {str(path)!r} cannot be used, because '?' and '%41' have another meaning in a URI; choose another folder"
        )
    return f"sqlite:///{path}" if path else uri


def sqlite_path(uri: str) -> Path | None:
    """Return the file of a sqlite URI, absolute and without symbolic links, or None for any other store."""
    scheme, separator, rest = uri.partition(":///")
    return Path(os.path.realpath(rest)) if separator and scheme == "sqlite" and rest else None


def redacted(uri: str) -> str:
    """Return the URI without user and password, which may be before the host or after the question mark."""
    scheme, separator, rest = uri.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2].partition('?')[0]}"


def without_secrets(text: str, uri: str) -> str:
    """Return a text of a library without the user and password of a URI."""
    user, at, _ = uri.partition("://")[2].rpartition("@")
    text = text.replace(uri, redacted(uri))
    return text.replace(user + at, "") if user else text


def connect(uri: str) -> MlflowClient:
    """Return a client of an existing store. Raises UserError if the store is missing or does not answer. Creates nothing."""
    path = sqlite_path(uri)
    if path and not has_database(path):
        raise UserError(f"no results at {redacted(uri)}: run `make bench` first, or set MLFLOW_TRACKING_URI")
    with _creation_lock(path):
        client = _open_client(uri)
    if path is not None:
        _relocate(path)
    return client


@contextmanager
def _creation_lock(path: Path | None) -> Iterator[None]:
    """Context manager that waits while another process creates the store, because two migrations at once make it unusable."""
    from filelock import FileLock

    if path is None or not os.access(f"{path}.lock", os.W_OK):
        yield
        return
    with FileLock(f"{path}.lock"):
        yield


def create(uri: str) -> MlflowClient:
    """Return a client of a store. Creates a missing sqlite file, in one process at a time. Raises UserError."""
    path = sqlite_path(uri)
    if path is None:
        return _open_client(uri)
    from filelock import FileLock

    if not is_writable(path):
        raise UserError(f"the tracking store {path} cannot be written: choose another folder, or set MLFLOW_TRACKING_URI")
    # Without the lock, two processes that open a new store at the same time both migrate it and make it unusable.
    with FileLock(f"{path}.lock"):
        if not has_database(path):
            _create_sqlite(path)
        client = _open_client(uri)
    _relocate(path)
    return client


def _relocate(path: Path) -> None:
    """Update artifact locations after a move of a store. MLflow's own pages need that, but ganbench resolves locations itself."""
    if not is_writable(path):
        return
    try:
        relocation.relocate(path)
    except (OSError, sqlite3.Error) as error:
        log.warning("the folder of %s has moved, but its artifact locations cannot be updated: %s", path, one_line(error))


def is_writable(path: Path) -> bool:
    """Return whether a sqlite file can be written or created. Its folder must be writable, because sqlite also writes beside the file."""
    return path.parent.is_dir() and os.access(path.parent, os.W_OK) and (not path.exists() or os.access(path, os.W_OK))


def _create_sqlite(path: Path) -> None:
    """Create a sqlite store under another name, and rename it when it is complete, because an incomplete store cannot be opened."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    for file in (unfinished, unfinished.with_name(f"{unfinished.name}-journal")):
        file.unlink(missing_ok=True)
    try:
        _open_client(f"sqlite:///{unfinished}")
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def exists(uri: str) -> bool:
    """Return whether the sqlite file of a store exists. For a server, return True without contacting it."""
    path = sqlite_path(uri)
    return path is None or has_database(path)


def error_line(error: Exception) -> str | None:
    """Return the message for an error that an open tracking store raises, or None for any other error."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    wrong_call = isinstance(error, MlflowException) and error.error_code == "INVALID_PARAMETER_VALUE"  # a bug of ganbench
    if wrong_call or not isinstance(error, MlflowException | SQLAlchemyError):
        return None
    uri = tracking_uri()
    return f"the tracking store {redacted(uri)} fails: {plain_error(error, uri)}"


def has_database(path: Path) -> bool:
    """Return whether a sqlite file exists and is not empty. Raises UserError if it is not a database."""
    try:
        if not path.exists():
            return False
        if not path.is_file():
            raise UserError(f"the tracking store {path} is not a file: move it away, or set MLFLOW_TRACKING_URI")
        with path.open("rb") as file:
            start = file.read(len(_SQLITE))
    except OSError as error:
        raise UserError(
            f"the tracking store {path} cannot be read: {error.strerror or error}; set MLFLOW_TRACKING_URI to another store"
        ) from error
    if start and start != _SQLITE:
        raise UserError(f"the tracking store {path} is not a SQLite database: move it away, or set MLFLOW_TRACKING_URI")
    return bool(start)


def _check_kind(uri: str) -> None:
    """Raise UserError unless MLflow, or one of its plugins, supports the scheme of a URI."""
    scheme, separator, _ = uri.partition("://")
    known = {*_DATABASES, "http", "https", "file", "databricks", *(plugin.name for plugin in entry_points(group="mlflow.tracking_store"))}
    if separator and scheme.partition("+")[0] not in known:
        kinds = "sqlite:///PATH, http://HOST:PORT, https://HOST or postgresql://HOST/NAME"
        raise UserError(f"the tracking store {redacted(uri)} is of an unknown kind: MLFLOW_TRACKING_URI takes {kinds}")


def _test_connection(uri: str) -> None:
    """Connect to a database once, and disconnect. Without this test, MLflow retries a failed connection for two minutes."""
    if uri.partition(":")[0].partition("+")[0] not in _DATABASES:
        return
    from sqlalchemy import create_engine, text
    from sqlalchemy.pool import NullPool

    try:
        with create_engine(uri, poolclass=NullPool).connect() as connection:
            connection.execute(text("SELECT 1"))
    except ModuleNotFoundError as error:
        raise UserError(f"the tracking store {redacted(uri)} needs the Python package {error.name!r}: pip install it") from error


def _open_client(uri: str) -> MlflowClient:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # by default, MLflow sends no usage data
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # its links contain the password
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    for name in ("mlflow", "alembic"):  # after the import, which sets their levels
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # it logs the traceback of every error that it raises

    from bench.tracking.file_client import FileClient

    _check_kind(uri)
    path = sqlite_path(uri)
    try:
        with short_timeout():
            _test_connection(uri)
            client = FileClient(uri, path) if path else MlflowClient(tracking_uri=uri, registry_uri=uri)
            client.search_experiments(max_results=1)
    except UserError:
        raise
    except (MlflowException, OSError, ValueError) as error:
        raise UserError(failure_line(error, uri)) from error
    except Exception as error:  # the errors of database drivers have no common base
        raise UserError(
            f"the tracking store {redacted(uri)} cannot be opened: {plain_error(error, uri)}; check MLFLOW_TRACKING_URI"
        ) from error
    return client


def plain_error(error: Exception, uri: str) -> str:
    """Return the text of an error as one line, without the user and password of the URI."""
    if _is_unauthorised(error):
        return "it refuses the user or the password" if _names_user(uri) else "it asks for a user and a password"
    # SQLAlchemy stores the driver's error in `orig`.
    text = _root_message(error) or _OF_SQLALCHEMY.sub("", str(getattr(error, "orig", None) or error))
    return one_line(without_secrets(text, uri), most=240)


def is_refusal(error: Exception) -> bool:
    """Return whether a store refuses a write permanently, with a status 4xx other than 401, 408 and 429, which are transient."""
    from mlflow.exceptions import MlflowException

    status: object = getattr(getattr(error, "response", None), "status_code", None)  # errors of requests, for artifacts
    if isinstance(error, MlflowException):
        text = str(error)
        if error.error_code == "BAD_REQUEST" and "sqlalche.me" in text:  # MLflow's code for most errors of a database
            return any(kind in text for kind in ("DataError", "IntegrityError"))
        match = _HTTP_STATUS.search(text)  # MLflow has error codes for some statuses only
        status = int(match[1]) if match else error.get_http_status_code()  # type: ignore[no-untyped-call]
    return isinstance(status, int) and 400 <= status < 500 and status not in _TRANSIENT


def failure_line(error: Exception, uri: str) -> str:
    """Return the message for a store that does not answer or refuses a request."""
    if known := _version_message(error, uri) or _folder_message(error, uri):
        return known
    if not _is_unauthorised(error):
        return f"the tracking store {redacted(uri)} does not answer: {plain_error(error, uri)}"
    if _names_user(uri):
        given = "in MLFLOW_TRACKING_URI" if "@" in uri else f"of {USER} and {PASSWORD}"
        return f"the tracking store {redacted(uri)} refuses the user or the password {given}; correct them"
    return f"the tracking store {redacted(uri)} asks for a user and a password: set {USER} and {PASSWORD}"


def _version_message(error: Exception, uri: str) -> str:
    """Return the message for a database whose tables are of another version of MLflow. It is empty for any other error."""
    found = _SCHEMA.search(str(error))
    if found is None:
        return ""
    import mlflow
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    try:
        ScriptDirectory(str(Path(mlflow.__file__).parent / "store" / "db_migrations")).get_revision(found[1])
    except CommandError:
        here = f"MLflow {mlflow.__version__}, which is installed here, does not know"
        return f"the tracking store {redacted(uri)} has tables of a version that {here}: install the newer MLflow that created them"
    upgrade = f"mlflow db upgrade {shlex.quote(redacted(uri))}"
    return f"the tracking store {redacted(uri)} has tables of an older MLflow: copy it, then run `{upgrade}`"


def _folder_message(error: Exception, uri: str) -> str:
    """Return the message for a folder as a tracking store, which MLflow refuses. It is empty for any other error."""
    is_folder = uri.startswith("file:") or ("://" not in uri and not uri.startswith("databricks"))
    if not is_folder or getattr(error, "error_code", "") != "INVALID_PARAMETER_VALUE":
        return ""
    return (
        f"the tracking store {redacted(uri)} is a folder, which MLflow no longer writes to: set MLFLOW_TRACKING_URI=sqlite:///PATH/mlflow.db "
        "(`mlflow migrate-filestore --help` shows how to move recorded runs there)"
    )


def _is_unauthorised(error: Exception) -> bool:
    """Return whether an error is the answer of a server with status 401."""
    from mlflow.exceptions import MlflowException

    return isinstance(error, MlflowException) and error.error_code == "UNAUTHENTICATED"


def _names_user(uri: str) -> bool:
    return bool(os.environ.get(USER)) or "@" in uri


def _root_message(error: BaseException) -> str | None:
    """Return the text of an OSError at the root of a chain of errors, such as "Connection refused", or None for any other root."""
    while deeper := error.__cause__ or error.__context__:
        error = deeper
    return error.strerror or str(error) if isinstance(error, OSError) else None


@contextmanager
def short_timeout(seconds: int = 5) -> Iterator[None]:
    """Context manager that limits each request to this timeout and to one try. MLflow's variables in the environment have priority."""
    with _environment({"MLFLOW_HTTP_REQUEST_TIMEOUT": str(seconds), "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}):
        yield


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
