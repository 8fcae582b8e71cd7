"""The run lock with real processes: a lock holder that is suspended for longer than its lease, and a restarted container."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest
from real_runs import RUN, call, output_of, pending, recorded, start, until

STOPPED_SECONDS = 40  # longer than the lease
NAMESPACE = ("unshare", "--pid", "--fork", "--mount-proc")  # process ids start at 1, and the host name is the same


def checkpoints(folder: Path) -> list[Path]:
    return list(folder.glob("runs/runs/*/state-before.safetensors"))


def suspend(process: subprocess.Popen[bytes], store: Path) -> None:
    """Suspend the command between two transactions, because a suspended transaction keeps the database locked."""
    for _ in range(100):
        os.killpg(process.pid, signal.SIGSTOP)
        with closing(sqlite3.connect(store, timeout=0.5, isolation_level=None)) as connection, suppress(sqlite3.OperationalError):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
            return
        os.killpg(process.pid, signal.SIGCONT)
        time.sleep(0.1)
    pytest.fail("the database was locked in 100 of 100 attempts to suspend the command between two transactions")


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the command and its child processes."""
    with suppress(ProcessLookupError):  # the process has exited
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.faults
def test_a_suspended_holder_is_replaced_and_writes_nothing_more(tmp_path: Path) -> None:
    """After another process has acquired the run lock, the suspended holder exits. The history equals an undisturbed one bit for bit."""
    words = (*RUN, "--set", "budget.images=100000")
    folder, other, whole = (tmp_path / name for name in ("one", "other", "whole"))
    for path in (folder, other, whole):
        path.mkdir()
    first = start(folder, *words)
    second = None
    try:
        until(lambda: checkpoints(folder), first, folder)
        suspend(first, folder / "mlflow.db")
        stopped = time.monotonic()
        shared = {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
        second = start(other, *words, "--runs-dir", str(folder / "runs"), **shared)
        until(lambda: any(f"pid={second.pid}\n" in marker.read_text() for marker in folder.glob("runs/runs/*/claim.json")), second, other)
        time.sleep(max(0.0, STOPPED_SECONDS - (time.monotonic() - stopped)))
        os.killpg(first.pid, signal.SIGCONT)
        assert first.wait(timeout=300) == 3, output_of(folder)
        assert "lost the run lock" in output_of(folder)
        assert "Traceback" not in output_of(folder)
        assert second.wait(timeout=600) == 0, output_of(other)
    finally:
        for process in (first, second):
            if process is not None:
                kill(process)
    assert call(whole, *words)[0] == 0
    found = recorded(f"sqlite:///{folder}/mlflow.db")
    assert {status for status, _ in found.values()} == {"finished"}
    assert found == recorded(f"sqlite:///{whole}/mlflow.db")
    assert not pending(folder)


@pytest.mark.faults
@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="process namespaces need root and unshare")
def test_a_killed_run_of_a_container_resumes_in_the_next_one(tmp_path: Path) -> None:
    """A run resumes in a new container, although its host name and process id are those of the killed lock holder."""
    words = (*RUN, "--set", "budget.images=60000")
    folder, whole = tmp_path / "killed", tmp_path / "whole"
    folder.mkdir()
    whole.mkdir()
    for _ in range(2):
        process = start(folder, *words, prefix=NAMESPACE)
        try:
            until(lambda: checkpoints(folder), process, folder)
        finally:
            kill(process)
    status, text = call(folder, *words, prefix=NAMESPACE)
    assert status == 0, text
    assert call(whole, *words)[0] == 0
    assert recorded(f"sqlite:///{folder}/mlflow.db") == recorded(f"sqlite:///{whole}/mlflow.db")
