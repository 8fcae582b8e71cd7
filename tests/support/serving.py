"""Temporary MLflow server for tests."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def free_port() -> int:
    """Return a free port of this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def serving(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Context manager that starts an MLflow server for a store in a folder and waits until it answers."""
    words = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": "",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    command = [sys.executable, "-m", "mlflow", "server", *words, "--artifacts-destination", str(folder / "artifacts")]
    with (folder / "server.log").open("ab") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output, env=environment, start_new_session=True)
    try:
        for _ in range(240):
            if _answers(port):
                break
            time.sleep(0.5)
        yield server
    finally:
        end(server)


def end(server: subprocess.Popen[bytes]) -> None:
    """Kill a server with its workers."""
    if server.poll() is None:
        os.killpg(server.pid, 9)
        server.wait()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
