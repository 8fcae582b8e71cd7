"""Suites in separate processes, as a user starts them, and their records in MLflow."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from real_runs import pending

from bench.core.errors import UserError
from bench.tracking import store

GANBENCH = Path(sys.executable).with_name("ganbench")
SMALL = ["--set", "evaluation.samples=500", "--seeds", "1", "--set", "evaluation.marks=3"]
IMAGES = 6000  # budget of a run
History = dict[str, list[tuple[str, int, float]]]


def start(folder: Path, *more: str, variants: str = "*", workers: int = 2, images: int = IMAGES) -> subprocess.Popen[bytes]:
    """Start a suite of at most eight runs on the embedded digits, with frequent checkpoints."""
    folder.mkdir(exist_ok=True)
    environment = {
        **os.environ,
        "GANBENCH_CHECKPOINT_SECONDS": "0.2",
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
        "OMP_NUM_THREADS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    options = ["--only", variants, "--workers", str(workers), *SMALL, "--set", f"budget.images={images}", *more]
    with (folder / "output.log").open("ab") as output:
        return subprocess.Popen(
            [str(GANBENCH), "suite", "smoke", *options], cwd=folder, env=environment, stdout=output, stderr=output, start_new_session=True
        )


def output_of(folder: Path) -> str:
    """Return the end of the output of the suites in a folder."""
    return (folder / "output.log").read_text()[-5000:]


def undisturbed(folder: Path, *more: str, **choice: Any) -> Path:
    """Execute a suite without a disturbance, and return its folder."""
    assert start(folder, *more, **choice).wait(timeout=900) == 0, output_of(folder)
    return folder


def runs_of(folder: Path) -> list[Any]:
    """Return the runs in a folder's store, or an empty list if there is no store yet."""
    if not (folder / "mlflow.db").exists():
        return []
    try:
        client = store.connect(f"sqlite:///{folder}/mlflow.db")
    except UserError:
        return []  # the suite was killed before it had created the store
    found = client.get_experiment_by_name("smoke")
    return list(client.search_runs([found.experiment_id], "tags.kind = 'run'", max_results=1000)) if found else []


def recorded(folder: Path) -> History:
    """Return the points of each run in MLflow, by its name, with duplicates."""
    client, found = store.connect(f"sqlite:///{folder}/mlflow.db"), {}
    for run in runs_of(folder):
        keys = [key for key in run.data.metrics if not key.startswith("perf/")]
        points = sorted((key, point.step, point.value) for key in keys for point in client.get_metric_history(run.info.run_id, key))
        found[f"{run.data.tags['variant']}-{run.data.tags['seed']}"] = points
    return found


def assert_undisturbed(folder: Path, whole: Path) -> None:
    """Assert that each run is recorded once, finished, with the points of an undisturbed suite, and that no temporary files remain."""
    found, wanted = recorded(folder), recorded(whole)
    assert sorted(found) == sorted(wanted)
    assert len(runs_of(folder)) == len(runs_of(whole))
    for name, points in wanted.items():
        assert found[name] == points, name
    assert all(run.data.tags["status"] == "finished" for run in runs_of(folder))
    assert not pending(folder)
    assert not list(folder.glob("runs/**/state-before.safetensors"))


def terminate(process: subprocess.Popen[bytes]) -> None:
    """Kill the driver, its workers and Ray."""
    for child in descendants(process.pid):
        try:
            os.kill(child, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait()


def descendants(pid: int) -> list[int]:
    """Return the ids of a process and its descendants."""
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
