"""Where results lie: the tracking URI made absolute, and whether there is a store behind it. Imports no torch."""

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
_SQLITE = b"SQLite format 3\0"  # how every such file starts
_HTTP_STATUS = re.compile(r"failed with error code ([0-9]{3})")
_PASSING = (401, 408, 429)
_SCHEMA = re.compile(r"database schema \(found version (?!None)(\w+), but expected \w+\)")  # what MLflow says of other tables than its own
_OF_SQLALCHEMY = re.compile(r"\s*(\[SQL: .*|\(Background on this error at: .*)", re.DOTALL)  # no help to a user


def tracking_uri(uri: str | None = None) -> str:
    """The given URI, else MLFLOW_TRACKING_URI, else sqlite:///mlflow.db, with a relative sqlite path made absolute."""
    uri = uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI
    path = sqlite_path(uri)
    if path is None and uri.startswith("sqlite"):
        raise UserError(f"the tracking store {redacted(uri)!r} names no file: write it as sqlite:///PATH")
    if path and ("?" in str(path) or unquote(str(path)) != str(path)):
        raise UserError(f"the tracking store {str(path)!r} cannot be: in a URI, '?' and '%41' mean something else; choose another folder")
    return f"sqlite:///{path}" if path else uri


def sqlite_path(uri: str) -> Path | None:
    """The file behind a sqlite URI, absolute and without symbolic links; None for any other store."""
    scheme, separator, rest = uri.partition(":///")
    return Path(os.path.realpath(rest)) if separator and scheme == "sqlite" and rest else None


def redacted(uri: str) -> str:
    """The URI as it may be shown: without a user's name and password, before the host or behind the question mark."""
    scheme, separator, rest = uri.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2].partition('?')[0]}"


def without_secrets(text: str, uri: str) -> str:
    """A text that libraries made of a URI, as it may be shown."""
    user, at, _ = uri.partition("://")[2].rpartition("@")
    text = text.replace(uri, redacted(uri))
    return text.replace(user + at, "") if user else text


def connect(uri: str) -> MlflowClient:
    """A client of an existing store; one that is not there or does not answer is a UserError. Creates nothing."""
    path = sqlite_path(uri)
    if path and not is_written(path):
        raise UserError(f"no results at {redacted(uri)}: run `make bench` first, or set MLFLOW_TRACKING_URI")
    with _while_made(path):
        client = _answering_client(uri)
    if path is not None:
        _relocate(path)
    return client


@contextmanager
def _while_made(path: Path | None) -> Iterator[None]:
    """Wait for another process that is making the store just now: two that migrate it at once leave it unusable."""
    from filelock import FileLock

    if path is None or not os.access(f"{path}.lock", os.W_OK):
        yield
        return
    with FileLock(f"{path}.lock"):
        yield


def create(uri: str) -> MlflowClient:
    """A client of a store, which is made if it is a sqlite file that is not there yet, by one process at a time."""
    path = sqlite_path(uri)
    if path is None:
        return _answering_client(uri)
    from filelock import FileLock

    if not is_writable(path):
        raise UserError(f"the tracking store {path} cannot be written: choose another folder, or set MLFLOW_TRACKING_URI")
    # Two processes that open a new store at once would both migrate it and leave it unusable.
    with FileLock(f"{path}.lock"):
        if not is_written(path):
            _make(path)
        client = _answering_client(uri)
    _relocate(path)
    return client


def _relocate(path: Path) -> None:
    """Update artifact locations after the folder of a store was moved. Without that, ganbench still finds them; MLflow's own pages do not."""
    if not is_writable(path):
        return
    try:
        relocation.relocate(path)
    except (OSError, sqlite3.Error) as error:
        log.warning("the folder of %s was moved, and its artifact locations cannot be updated: %s", path, one_line(error))


def is_writable(path: Path) -> bool:
    """Whether a file can be written, or made: sqlite also writes beside it."""
    return path.parent.is_dir() and os.access(path.parent, os.W_OK) and (not path.exists() or os.access(path, os.W_OK))


def _make(path: Path) -> None:
    """A new sqlite store, in place only when it is whole: one that was killed while MLflow made it could not be opened again."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    for file in (unfinished, unfinished.with_name(f"{unfinished.name}-journal")):
        file.unlink(missing_ok=True)
    try:
        _answering_client(f"sqlite:///{unfinished}")
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def exists(uri: str) -> bool:
    """Whether there may be a store: not where its sqlite file is missing. A server is not asked."""
    path = sqlite_path(uri)
    return path is None or is_written(path)


def trouble(error: Exception) -> str | None:
    """The line for an error that a tracking store raises in the midst of work; None for any other error."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    ours = isinstance(error, MlflowException) and error.error_code == "INVALID_PARAMETER_VALUE"  # a call that was wrong
    if ours or not isinstance(error, MlflowException | SQLAlchemyError):
        return None
    uri = tracking_uri()
    return f"the tracking store {redacted(uri)} fails: {plain_error(error, uri)}"


def is_written(path: Path) -> bool:
    """Whether a sqlite file is there and holds something; a UserError where it is no database at all."""
    try:
        if not path.exists():
            return False
        if not path.is_file():
            raise UserError(f"the tracking store {path} is no file: move it away, or set MLFLOW_TRACKING_URI")
        with path.open("rb") as file:
            start = file.read(len(_SQLITE))
    except OSError as error:
        raise UserError(f"the tracking store {path} cannot be read: {error.strerror or error}") from error
    if start and start != _SQLITE:
        raise UserError(f"the tracking store {path} is no SQLite database: move it away, or set MLFLOW_TRACKING_URI")
    return bool(start)


def _check_kind(uri: str) -> None:
    """A UserError for a URI of no kind that MLflow knows, by itself or by a plugin."""
    scheme, separator, _ = uri.partition("://")
    known = {*_DATABASES, "http", "https", "file", "databricks", *(plugin.name for plugin in entry_points(group="mlflow.tracking_store"))}
    if separator and scheme.partition("+")[0] not in known:
        kinds = "sqlite:///PATH, http://HOST:PORT, https://HOST or postgresql://HOST/NAME"
        raise UserError(f"the tracking store {redacted(uri)} is of no known kind: MLFLOW_TRACKING_URI takes {kinds}")


def _ask_once(uri: str) -> None:
    """Connect to a database and leave: MLflow, which comes next, would try again for two minutes."""
    if uri.partition(":")[0].partition("+")[0] not in _DATABASES:
        return
    from sqlalchemy import create_engine, text
    from sqlalchemy.pool import NullPool

    try:
        with create_engine(uri, poolclass=NullPool).connect() as connection:
            connection.execute(text("SELECT 1"))
    except ModuleNotFoundError as error:
        raise UserError(f"the tracking store {redacted(uri)} needs the Python package {error.name!r}: pip install it") from error


def _answering_client(uri: str) -> MlflowClient:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nothing leaves the machine unless the user wants it to
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # its links hold the password
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    for name in ("mlflow", "alembic"):  # after the import, which sets their levels
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # it prints the traceback of every error that it raises

    from bench.tracking.file_client import FileClient

    _check_kind(uri)
    path = sqlite_path(uri)
    try:
        with impatient():
            _ask_once(uri)
            client = FileClient(uri, path) if path else MlflowClient(tracking_uri=uri, registry_uri=uri)
            client.search_experiments(max_results=1)
    except UserError:
        raise
    except (MlflowException, OSError, ValueError) as error:
        raise UserError(unanswered(error, uri)) from error
    except Exception as error:  # a database driver's own errors have no common base
        raise UserError(f"the tracking store {redacted(uri)} cannot be opened: {plain_error(error, uri)}") from error
    return client


def plain_error(error: Exception, uri: str) -> str:
    """The error's text without line breaks, and without the user's name and password that libraries repeat from the URI."""
    if _is_refusal(error):
        return "it refuses the user or the password" if _names_user(uri) else "it asks for a user and a password"
    text = _root(error) or _OF_SQLALCHEMY.sub("", str(getattr(error, "orig", None) or error))  # SQLAlchemy keeps the driver's own
    return one_line(without_secrets(text, uri), most=240)


def refuses(error: Exception) -> bool:
    """Whether a store refuses a write for good: a status 4xx other than 401, 408 and 429, which may pass."""
    from mlflow.exceptions import MlflowException

    status: object = getattr(getattr(error, "response", None), "status_code", None)  # requests' own errors, of artifacts
    if isinstance(error, MlflowException):
        text = str(error)
        if error.error_code == "BAD_REQUEST" and "sqlalche.me" in text:  # MLflow's code for all errors of a database but one
            return any(kind in text for kind in ("DataError", "IntegrityError"))
        told = _HTTP_STATUS.search(text)  # MLflow has error codes for some of them only
        status = int(told[1]) if told else error.get_http_status_code()  # type: ignore[no-untyped-call]
    return isinstance(status, int) and 400 <= status < 500 and status not in _PASSING


def unanswered(error: Exception, uri: str) -> str:
    """The line for a store that does not do what it is asked."""
    if known := _of_another_version(error, uri) or _of_files(error, uri):
        return known
    if not _is_refusal(error):
        return f"the tracking store {redacted(uri)} does not answer: {plain_error(error, uri)}"
    if _names_user(uri):
        given = "in MLFLOW_TRACKING_URI" if "@" in uri else f"of {USER} and {PASSWORD}"
        return f"the tracking store {redacted(uri)} refuses the user or the password {given}"
    return f"the tracking store {redacted(uri)} asks for a user and a password: set {USER} and {PASSWORD}"


def _of_another_version(error: Exception, uri: str) -> str:
    """The line for a database whose tables are of another version of MLflow; empty for any other error."""
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
        return f"the tracking store {redacted(uri)} has tables of a version that {here}: install the newer MLflow that made them"
    upgrade = f"mlflow db upgrade {shlex.quote(redacted(uri))}"
    return f"the tracking store {redacted(uri)} was made by an older MLflow: make a copy of it, then run `{upgrade}`"


def _of_files(error: Exception, uri: str) -> str:
    """The line for a folder as a tracking store, where MLflow refuses it; empty for any other error."""
    is_folder = uri.startswith("file:") or ("://" not in uri and not uri.startswith("databricks"))
    if not is_folder or getattr(error, "error_code", "") != "INVALID_PARAMETER_VALUE":
        return ""
    return (
        f"the tracking store {redacted(uri)} is a folder, which MLflow no longer writes to: set MLFLOW_TRACKING_URI=sqlite:///PATH/mlflow.db "
        "(`mlflow migrate-filestore --help` says how to move recorded runs there)"
    )


def _is_refusal(error: Exception) -> bool:
    """Whether a server said 401."""
    from mlflow.exceptions import MlflowException

    return isinstance(error, MlflowException) and error.error_code == "UNAUTHENTICATED"


def _names_user(uri: str) -> bool:
    return bool(os.environ.get(USER)) or "@" in uri


def _root(error: BaseException) -> str | None:
    """What the system said, where that is what all began with: "Connection refused" at the bottom of three libraries' errors."""
    while deeper := error.__cause__ or error.__context__:
        error = deeper
    return error.strerror or str(error) if isinstance(error, OSError) else None


@contextmanager
def impatient(seconds: int = 5) -> Iterator[None]:
    """Inside, a server is asked once and waited for no longer than this; what the user has set in the environment stands."""
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
