"""Suites as a user starts them, in processes of their own, and all that MLflow has of them in the end."""

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
IMAGES = 6000  # of a run
History = dict[str, list[tuple[str, int, float]]]


def start(folder: Path, *more: str, variants: str = "*", workers: int = 2, images: int = IMAGES) -> subprocess.Popen[bytes]:
    """A suite of eight runs on the embedded digits, or fewer, a checkpoint as often as one may be kept."""
    folder.mkdir(exist_ok=True)
    environment = {
        **os.environ,
        "GANBENCH_CHECKPOINT_SECONDS": "0.2",
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
        "OMP_NUM_THREADS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    asked = ["--only", variants, "--workers", str(workers), *SMALL, "--set", f"budget.images={images}", *more]
    with (folder / "said.log").open("ab") as said:
        return subprocess.Popen(
            [str(GANBENCH), "suite", "smoke", *asked], cwd=folder, env=environment, stdout=said, stderr=said, start_new_session=True
        )


def said(folder: Path) -> str:
    """The end of what the suites in a folder have said."""
    return (folder / "said.log").read_text()[-5000:]


def undisturbed(folder: Path, *more: str, **choice: Any) -> Path:
    """A suite that was left alone."""
    assert start(folder, *more, **choice).wait(timeout=900) == 0, said(folder)
    return folder


def runs_of(folder: Path) -> list[Any]:
    """The runs in a folder's store, as MLflow has them; none where there is no store yet."""
    if not (folder / "mlflow.db").exists():
        return []
    try:
        client = store.connect(f"sqlite:///{folder}/mlflow.db")
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


def assert_undisturbed(folder: Path, whole: Path) -> None:
    """Each run is there once, finished, with each point of the suite that was left alone once, and nothing lies about."""
    found, wanted = recorded(folder), recorded(whole)
    assert sorted(found) == sorted(wanted)
    assert len(runs_of(folder)) == len(runs_of(whole))
    for name, points in wanted.items():
        assert found[name] == points, name
    assert all(run.data.tags["status"] == "finished" for run in runs_of(folder))
    assert not pending(folder)
    assert not list(folder.glob("runs/**/state-before.safetensors"))


def deliver_dead_run(process: subprocess.Popen[bytes]) -> None:
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
