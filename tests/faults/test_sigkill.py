"""Suites whose processes are killed at random times. Finally, MLflow has the records of an undisturbed suite, bit for bit."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from real_runs import RUN, call, pending, recorded
from whole_suites import IMAGES, assert_undisturbed, output_of, runs_of, start, terminate, undisturbed


def workers_of(folder: Path) -> list[int]:
    """Return the ids of the processes that are training."""
    owners = [run.data.tags.get("owner", "") for run in runs_of(folder) if run.data.tags.get("status") == "running"]
    pids = [int(owner.rpartition(":")[2]) for owner in owners if owner]
    return [pid for pid in dict.fromkeys(pids) if Path(f"/proc/{pid}").exists()]


def soon(folder: Path, process: subprocess.Popen[bytes]) -> list[int]:
    """Wait for workers, because Ray starts slowly, and return them."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if found := workers_of(folder):
            return found
        time.sleep(0.2)
    return []


def killed_suite(folder: Path, *, kills: int, seed: int, variants: str = "*", workers: int = 2, images: int = IMAGES) -> Counter[str]:
    """Execute the suite to its end with a number of kills, of a worker or of all processes, at random times."""
    chance, done, process = random.Random(seed), Counter[str](), start(folder, variants=variants, workers=workers, images=images)
    try:
        while True:
            deadline = time.monotonic() + chance.uniform(0.5, 9.0)
            while time.monotonic() < deadline and process.poll() is None:
                time.sleep(0.05)
            if process.poll() is not None:
                if done.total() >= kills:
                    assert process.returncode == 0, output_of(folder)
                    return done
                process = start(folder, variants=variants, workers=workers, images=images)
                done["ended before it was killed"] += all(run.data.tags["status"] == "finished" for run in runs_of(folder))
                if done["ended before it was killed"] > 2:
                    return done
                continue
            if done.total() >= kills:
                process.wait(timeout=600)
                continue
            found = soon(folder, process) if workers > 1 and chance.random() < 0.5 else []
            targets = [pid for pid in found if pid != process.pid]  # the process of the suite trains a single remaining run
            if targets:
                os.kill(chance.choice(targets), signal.SIGKILL)
                done["worker"] += 1
            else:
                terminate(process)
                done["everything"] += 1
                process = start(folder, variants=variants, workers=workers, images=images)
    finally:
        terminate(process)


@pytest.mark.slow
def test_a_few_kills_of_a_suite_in_one_process(tmp_path: Path) -> None:
    """A suite in one process that was killed has the records of an undisturbed suite. It is long enough for at least one kill."""
    one = {"variants": "dcgan", "workers": 1, "images": 60_000}
    done = killed_suite(tmp_path / "killed", kills=3, seed=0, **one)  # type: ignore[arg-type]
    assert done["everything"] >= 1
    assert_undisturbed(tmp_path / "killed", undisturbed(tmp_path / "whole", **one))  # type: ignore[arg-type]


# The command. At the end of a run, it kills itself before or after the store receives the first write of a kind.
DYING = """
import os, signal, sys
from bench.tracking import delivery
send, end = delivery.send, delivery.Delivery.end

def dying(client, write, file):
    if write.kind != "{kind}" or {arrives}:
        send(client, write, file)
    if write.kind == "{kind}":
        os.kill(os.getpid(), signal.SIGKILL)

def ending(self):
    delivery.send = dying
    end(self)

delivery.Delivery.end, delivery.Delivery.flush_if_due = ending, lambda self: None  # all writes are sent at the end
sys.argv = sys.argv[1:]
from bench.cli import main
main()
"""


@pytest.mark.parametrize(
    ("kind", "arrives"),
    [
        pytest.param(kind, arrives, marks=pytest.mark.slow if (kind, arrives) == ("artifact", True) else pytest.mark.faults)
        for kind in ("points", "artifact", "tags", "end")
        for arrives in (False, True)
    ],
)
@pytest.mark.parametrize("then", ["sync", "run"])
def test_killed_while_the_end_is_sent(tmp_path: Path, kind: str, arrives: bool, then: str) -> None:
    """A killed run has its journal on disk. `ganbench sync` or the same command delivers the pending writes once."""
    words = (*RUN, "--set", "budget.images=2560")
    folder, whole = tmp_path / "killed", tmp_path / "whole"
    for path in (folder, whole):
        path.mkdir()
    status, text = call(folder, *words, prefix=(sys.executable, "-c", DYING.format(kind=kind, arrives=arrives)))
    assert status == -signal.SIGKILL, text
    assert [path for path in pending(folder) if path.suffix == ".json"]
    status, text = call(folder, *(("sync",) if then == "sync" else words))
    assert status == 0, text
    assert then == "sync" or "already finished" in text
    assert not pending(folder)
    assert call(whole, *words)[0] == 0
    found = recorded(f"sqlite:///{folder}/mlflow.db")
    assert {status for status, _ in found.values()} == {"finished"}
    assert found == recorded(f"sqlite:///{whole}/mlflow.db")


@pytest.mark.faults
def test_fifty_kills_of_eight_runs(tmp_path: Path) -> None:
    whole = undisturbed(tmp_path / "whole")
    done: Counter[str] = Counter()
    for seed in range(8):
        folder = tmp_path / f"killed-{seed}"
        done += killed_suite(folder, kills=10, seed=seed)
        assert_undisturbed(folder, whole)
        if done["worker"] + done["everything"] >= 50:
            break
    assert done["worker"] + done["everything"] >= 50, done
    assert min(done["worker"], done["everything"]) >= 10
