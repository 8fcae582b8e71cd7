"""The command `ganbench ui`, which opens the tracking store in MLflow's pages."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import IO, TYPE_CHECKING, Annotated

import typer

from bench.cli.common import app, errors, say
from bench.core.errors import UserError, one_line

if TYPE_CHECKING:
    from bench.tracking.views import PreparedExperiment

SERVER = (sys.executable, "-m", "mlflow", "server")
HOST = "127.0.0.1"  # MLflow has no password, so only this machine may reach it
POLL_SECONDS = 0.2
STOP_SECONDS = 3.0  # after this, the server is killed
Port = Annotated[int, typer.Option(min=1, max=65535, metavar="PORT", help="The port of MLflow's server on this machine.")]


@app.command()
def ui(port: Port = 5000) -> None:
    """Open the recorded runs in MLflow's pages, until Ctrl-C.

    Prints a link for each experiment, which opens the comparison of its variants. If the tracking store is a server, only prints its links.
    """
    from bench.tracking import store

    uri = store.tracking_uri()
    if uri.startswith(("http://", "https://")):
        _print_links_of_server(uri)
        return
    uri = served_uri(uri)
    prepared = _prepared(uri)
    _check_free(port)
    with suppress(KeyboardInterrupt), _server(uri, port) as (server, log):
        _wait_until_ready(server, log, port)
        address = f"http://{HOST}:{port}"
        say(f"MLflow shows {store.redacted(uri)} at {address} (end with Ctrl-C)")
        _print_links(prepared, address)
        status = server.wait()
        raise UserError(f"MLflow's server has ended with status {status}: {_last_line(log)}")
    errors.print("ganbench: MLflow's server is stopped")


def served_uri(uri: str) -> str:
    """Return the URI of a database for MLflow's server, after an update of the artifact locations of a store that has moved.

    If that store is read-only, the URI is that of an updated copy in the cache folder.
    """
    import hashlib
    import sqlite3

    from bench.data.cache import cache_root
    from bench.tracking import relocation, store

    store.connect(uri)  # updates the locations of a store that can be written
    path = store.sqlite_path(uri)
    if path is None or store.is_writable(path) or not relocation.moves_of(path).folders:
        return uri
    copy = cache_root() / "stores" / hashlib.sha256(os.fsencode(path)).hexdigest()[:16] / path.name
    try:
        copy.parent.mkdir(parents=True, exist_ok=True)
        relocation.relocated_copy(path, copy)
    except (OSError, sqlite3.Error) as error:
        raise UserError(
            f"{path} has moved and is read-only, and cannot be copied to {copy}: {error}; make one of the folders writable"
        ) from error
    return f"sqlite:///{copy}"


def _prepared(uri: str) -> list[PreparedExperiment]:
    """Write the views of all experiments in the store, and return the experiments."""
    from bench.tracking import store
    from bench.tracking.views import prepare_views

    return prepare_views(uri, store.connect(uri))


def _print_links_of_server(uri: str) -> None:
    """Print the address of a tracking server, and the links of its experiments if it answers."""
    from bench.tracking import store

    address = store.redacted(uri)
    say(f"the tracking store is a server: open {address}")
    try:
        _print_links(_prepared(uri), address)
    except UserError as error:
        errors.print(f"ganbench: {error}", style="red", markup=False, highlight=False, soft_wrap=True)


def _print_links(prepared: list[PreparedExperiment], address: str) -> None:
    width = max((len(experiment.name) for experiment in prepared), default=0)
    for experiment in prepared:
        say(f"  {experiment.name:<{width}}  {experiment.link(address)}")
    if not prepared:
        say("no runs are recorded yet: `ganbench suite quick` records some")


def _check_free(port: int) -> None:
    """Raise a UserError if another program listens on the port."""
    with suppress(OSError), socket.create_connection((HOST, port), timeout=2):
        raise UserError(f"port {port} is in use by another program: choose another, e.g. --port {port + 1 if port < 65535 else port - 1}")


@contextmanager
def _server(uri: str, port: int) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """Context manager that starts MLflow's server for a database, and stops it. Yields its process and its output.

    SIGTERM and SIGHUP raise KeyboardInterrupt, so that no server remains.
    """
    command = [*SERVER, "--host", HOST, "--port", str(port), "--workers", "1"]
    given = {
        "MLFLOW_BACKEND_STORE_URI": uri,  # not an option: it may contain a password, which every user of the machine would see
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # without this, MLflow starts a dozen processes for jobs of its GenAI pages
        "MLFLOW_DISABLE_TELEMETRY": os.environ.get("MLFLOW_DISABLE_TELEMETRY", "true"),
    }
    before = {number: signal.signal(number, _interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    with tempfile.TemporaryFile() as log:
        # a process group of its own, because Ctrl-C would otherwise end the server before this process
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **given}, process_group=0)
        try:
            yield server, log
        finally:
            _stop(server)
            for number, handler in before.items():
                signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _stop(server: subprocess.Popen[bytes]) -> None:
    """End a server with its workers. A second Ctrl-C kills it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(server.pid, number)
        with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            server.wait(timeout=STOP_SECONDS)
            return


def _wait_until_ready(server: subprocess.Popen[bytes], log: IO[bytes], port: int) -> None:
    """Wait until the server answers. Raises UserError if it ends."""
    while not _answers(port):
        if server.poll() is not None:
            raise UserError(f"MLflow's server does not start: {_last_line(log)}")
        time.sleep(POLL_SECONDS)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _last_line(log: IO[bytes]) -> str:
    """Return the last line of a server's output."""
    log.seek(0)
    lines = [line.strip() for line in log.read().decode(errors="replace").splitlines() if line.strip()]
    return one_line(lines[-1], most=300) if lines else "it prints nothing"
