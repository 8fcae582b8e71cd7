"""`ganbench ui` starts MLflow's server with the prepared store, prints links, and ends it. A small server takes the place of MLflow's."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from serving import free_port

from bench.cli import ui
from bench.metrics.columns import FID_DISTILLED
from bench.tracking.client import Tracker
from bench.tracking.views import BY_VARIANT

Command = Callable[..., tuple[int, str, str]]
SERVER = """
import http.server, json, os, sys
words = sys.argv[1:]
json.dump({"words": words, "environment": dict(os.environ)}, open("started.json", "w"))
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
http.server.HTTPServer((words[words.index("--host") + 1], int(words[words.index("--port") + 1])), Answer).serve_forever()
"""


@pytest.fixture
def recorded(uri: str) -> str:
    """Return the URI of a store with one run."""
    log = Tracker(uri, "small").start_run("r", {"kind": "run", "variant": "dcgan", "headline": FID_DISTILLED}, {})
    log.points({FID_DISTILLED: 5.0}, images=10, train_seconds=1.0)
    log.finish("finished")
    return uri


def serve(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    monkeypatch.setattr(ui, "SERVER", (sys.executable, "-c", code))


def stop_by(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Send a signal to this process as soon as the links are printed."""
    real = ui._print_links

    def print_and_stop(*words: object) -> None:
        real(*words)  # type: ignore[arg-type]
        os.kill(os.getpid(), number)

    monkeypatch.setattr(ui, "_print_links", print_and_stop)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let SIGINT interrupt this process, even if a background job started it, which ignores SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_server_starts_lean_and_ends_with_the_command(
    number: int, recorded: str, ganbench: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(monkeypatch, SERVER)
    stop_by(monkeypatch, number)
    port = free_port()
    status, out, err = ganbench("ui", "--port", str(port))
    assert status == 0
    assert "Traceback" not in err
    links = [line.split() for line in out.splitlines()[1:]]
    assert [name for name, _ in links] == ["small"]
    assert links[0][1].startswith(f"http://127.0.0.1:{port}/#/experiments/")
    assert links[0][1].endswith(f"viewStateShareKey={BY_VARIANT}")
    assert not ui._answers(port)

    started = json.loads(Path("started.json").read_text())
    words, environment = started["words"], started["environment"]
    assert words == ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    assert environment["MLFLOW_BACKEND_STORE_URI"] == recorded
    assert environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert environment["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_the_handlers_of_signals_are_restored(recorded: str, ganbench: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)]
    serve(monkeypatch, "print('starting'); raise SystemExit('the database is locked')")
    status, _, err = ganbench("ui", "--port", str(free_port()))
    assert (status, err.strip()) == (2, "ganbench: MLflow's server does not start: the database is locked")
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)] == before


def test_a_server_that_ends_later_is_one_line(recorded: str, ganbench: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = SERVER.replace("serve_forever", "handle_request") + "raise SystemExit('out of memory')"
    serve(monkeypatch, ends)
    status, _, err = ganbench("ui", "--port", str(free_port()))
    assert (status, err.strip()) == (2, "ganbench: MLflow's server has ended with status 1: out of memory")


def test_without_results_no_server_starts(ganbench: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(monkeypatch, SERVER)
    status, out, err = ganbench("ui")
    assert (status, out) == (2, "")
    assert "run `make bench` first" in err
    assert not list(Path.cwd().iterdir())


def test_a_port_in_use_is_a_mistake(recorded: str, ganbench: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(monkeypatch, SERVER)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = int(other.getsockname()[1])
        status, out, err = ganbench("ui", "--port", str(port))
    assert (status, out) == (2, "")
    assert f"port {port} is in use" in err
    assert not Path("started.json").exists()


@pytest.mark.parametrize("port", ["0", "65536", "-1", "x", "50.5"])
def test_a_port_is_a_number_in_range(port: str, recorded: str, ganbench: Command) -> None:
    status, _, err = ganbench("ui", "--port", port)
    assert status == 2
    assert err.startswith("ganbench: --port: ")
    assert port in err


def test_a_server_as_the_store_is_opened_where_it_is(ganbench: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(monkeypatch, SERVER)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://ada:secret@127.0.0.1:{(port := free_port())}")
    status, out, err = ganbench("ui")
    assert status == 0
    assert out == f"the tracking store is a server: open http://127.0.0.1:{port}\n"
    assert len(err.splitlines()) == 1
    assert "does not answer" in err
    assert "secret" not in out + err


def test_the_command_loads_no_torch(recorded: str, tmp_path: Path) -> None:
    code = (
        "import sys; from bench.cli import main, ui\n"
        f"ui.SERVER = (sys.executable, '-c', 'raise SystemExit(1)'); sys.argv = ['ganbench', 'ui', '--port', '{free_port()}']\n"
        "try: main()\n"
        "finally: print('torch' in sys.modules, 'mlflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False)
    assert done.stdout.split() == ["False", "True"], done.stderr
