"""Suites whose processes are killed at random moments: in the end MLflow has what an undisturbed suite has, bit for bit."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bench import store
from bench.errors import UserError

GANBENCH = Path(sys.executable).with_name("ganbench")
SMALL = ["--set", "evaluation.samples=500", "--seeds", "1", "--set", "evaluation.marks=3"]
IMAGES = 6000  # of a run
History = dict[str, list[tuple[str, int, float]]]


def start(folder: Path, *, variants: str = "*", workers: int = 2, images: int = IMAGES) -> subprocess.Popen[bytes]:
    """A suite of eight runs on the embedded digits, a checkpoint a second."""
    folder.mkdir(exist_ok=True)
    environment = {
        **os.environ,
        "GANBENCH_CHECKPOINT_SECONDS": "0.2",
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
        "OMP_NUM_THREADS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    command = [str(GANBENCH), "suite", "smoke", "--only", variants, "--workers", str(workers), *SMALL, "--set", f"budget.images={images}"]
    with (folder / "said.log").open("ab") as said:
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=said, stderr=said, start_new_session=True)


def runs_of(folder: Path) -> list[Any]:
    if not (folder / "mlflow.db").exists():
        return []
    try:
        client = store.connect(f"sqlite:///{folder}/mlflow.db")  # waits while the suite makes it
    except UserError:
        return []  # it was killed before it had made it
    found = client.get_experiment_by_name("smoke")
    return list(client.search_runs([found.experiment_id], "tags.kind = 'run'", max_results=1000)) if found else []


def recorded(folder: Path) -> History:
    """All that MLflow has of each run, by name; a point that was sent twice is there twice."""
    client, found = store.connect(f"sqlite:///{folder}/mlflow.db"), {}
    for run in runs_of(folder):
        keys = [key for key in run.data.metrics if not key.startswith("perf/")]
        points = sorted((key, point.step, point.value) for key in keys for point in client.get_metric_history(run.info.run_id, key))
        found[f"{run.data.tags['variant']}-{run.data.tags['seed']}"] = points
    return found


def workers_of(folder: Path) -> list[int]:
    """The processes that train just now."""
    owners = [run.data.tags.get("owner", "") for run in runs_of(folder) if run.data.tags.get("status") == "running"]
    pids = [int(owner.rpartition(":")[2]) for owner in owners if owner]
    return [pid for pid in dict.fromkeys(pids) if Path(f"/proc/{pid}").exists()]


def soon(folder: Path, process: subprocess.Popen[bytes]) -> list[int]:
    """The workers, as soon as there are any: Ray takes its time to start."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if found := workers_of(folder):
            return found
        time.sleep(0.2)
    return []


def end_all(process: subprocess.Popen[bytes]) -> None:
    """The driver, its workers and Ray, gone at once."""
    for child in descendants(process.pid):
        try:
            os.kill(child, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait()


def descendants(pid: int) -> list[int]:
    """A process and all below it."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        parents[int(stat.parent.name)] = int(text.rpartition(")")[2].split()[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def campaign(folder: Path, *, kills: int, seed: int, variants: str = "*", workers: int = 2, images: int = IMAGES) -> Counter[str]:
    """Run the suite to its end through so many kills: of a worker, or of everything, at random moments."""
    chance, done, process = random.Random(seed), Counter[str](), start(folder, variants=variants, workers=workers, images=images)
    try:
        while True:
            deadline = time.monotonic() + chance.uniform(0.5, 9.0)
            while time.monotonic() < deadline and process.poll() is None:
                time.sleep(0.05)
            if process.poll() is not None:
                if done.total() >= kills:
                    assert process.returncode == 0, (folder / "said.log").read_text()[-3000:]
                    return done
                process = start(folder, variants=variants, workers=workers, images=images)
                done["ended before it was killed"] += all(run.data.tags["status"] == "finished" for run in runs_of(folder))
                if done["ended before it was killed"] > 2:
                    return done
                continue
            if done.total() >= kills:
                process.wait(timeout=600)
                continue
            targets = soon(folder, process) if workers > 1 and chance.random() < 0.5 else []
            if targets:
                os.kill(chance.choice(targets), signal.SIGKILL)
                done["worker"] += 1
            else:
                end_all(process)
                done["everything"] += 1
                process = start(folder, variants=variants, workers=workers, images=images)
    finally:
        end_all(process)


def assert_undisturbed(folder: Path, undisturbed: Path) -> None:
    found, wanted = recorded(folder), recorded(undisturbed)
    assert sorted(found) == sorted(wanted)
    assert len(runs_of(folder)) == len(runs_of(undisturbed))
    for name, points in wanted.items():
        assert found[name] == points, name
    assert all(run.data.tags["status"] == "finished" for run in runs_of(folder))
    assert not list(folder.glob("runs/**/outbox"))
    assert not list(folder.glob("runs/**/state-before.safetensors"))


def undisturbed(folder: Path, variants: str = "*", workers: int = 2, images: int = IMAGES) -> Path:
    assert start(folder, variants=variants, workers=workers, images=images).wait(timeout=900) == 0, (folder / "said.log").read_text()[
        -3000:
    ]
    return folder


@pytest.mark.slow
def test_a_few_kills_of_a_suite_in_one_process(tmp_path: Path) -> None:
    """Long enough for the first kills to come before its end on any machine."""
    one = {"variants": "dcgan", "workers": 1, "images": 60_000}
    done = campaign(tmp_path / "killed", kills=3, seed=0, **one)  # type: ignore[arg-type]
    assert done["everything"] >= 1
    assert_undisturbed(tmp_path / "killed", undisturbed(tmp_path / "whole", **one))  # type: ignore[arg-type]


@pytest.mark.faults
def test_fifty_kills_of_eight_runs(tmp_path: Path) -> None:
    whole = undisturbed(tmp_path / "whole")
    done: Counter[str] = Counter()
    for seed in range(8):
        folder = tmp_path / f"killed-{seed}"
        done += campaign(folder, kills=10, seed=seed)
        assert_undisturbed(folder, whole)
        if done["worker"] + done["everything"] >= 50:
            break
    assert done["worker"] + done["everything"] >= 50, done
    assert min(done["worker"], done["everything"]) >= 10
