"""The command in a separate process, and the records of its runs in MLflow."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.tracking import store

GANBENCH = Path(sys.executable).with_name("ganbench")
RUN = ("run", "dcgan", "--dataset", "digits", "--set", "recipe.width=8", "--set", "evaluation.samples=200", "--set", "evaluation.marks=3")
Points = list[tuple[str, int, float]]


def start(folder: Path, *words: str, prefix: Sequence[str] = (), **environment: str) -> subprocess.Popen[bytes]:
    """Start the command with frequent checkpoints. Its store and `output.log` are in the folder."""
    given = {
        "GANBENCH_CHECKPOINT_SECONDS": "0.2", "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db", "MLFLOW_DISABLE_TELEMETRY": "true",
        "OMP_NUM_THREADS": "1", "COLUMNS": "1000",
    }  # fmt: skip
    with (folder / "output.log").open("wb") as output:
        command = [*prefix, str(GANBENCH), *words]
        return subprocess.Popen(
            command, cwd=folder, env={**os.environ, **given, **environment}, stdout=output, stderr=output, start_new_session=True
        )


def call(folder: Path, *words: str, prefix: Sequence[str] = (), **environment: str) -> tuple[int, str]:
    """Execute the command and return (exit status, output)."""
    status = start(folder, *words, prefix=prefix, **environment).wait(timeout=300)
    return status, output_of(folder)


def output_of(folder: Path) -> str:
    """Return the output of the last command in a folder."""
    return " ".join((folder / "output.log").read_text(errors="replace").split())


def pending(folder: Path) -> list[Path]:
    """Return the pending writes in a folder: journals and artifacts that the store has not acknowledged."""
    found = [*folder.rglob("end-*.json"), *folder.rglob("artifacts")]
    return [path for path in found if "mlruns" not in path.parts]  # artifacts in the store


def until(condition: Callable[[], object], process: subprocess.Popen[bytes], folder: Path) -> None:
    """Wait until a condition is true while the command is running."""
    deadline = time.monotonic() + 180
    while not condition():
        assert process.poll() is None, f"the command exited before the expected condition; its output: {output_of(folder)}"
        assert time.monotonic() < deadline, f"the expected condition did not occur within 180 seconds; the output: {output_of(folder)}"
        time.sleep(0.02)


def recorded(uri: str, experiment: str = "runs") -> dict[str, tuple[str, Points]]:
    """Return status and points of each run of an experiment, by variant and seed. Omit times, and include duplicate points."""
    client = store.connect(uri)
    found = client.get_experiment_by_name(experiment)
    runs = client.search_runs([found.experiment_id], "tags.kind = 'run'") if found else []
    names = [f"{run.data.tags['variant']}-{run.data.tags['seed']}" for run in runs]
    assert len(set(names)) == len(names), "two recorded runs have the same variant and seed"
    histories = {}
    for name, run in zip(names, runs, strict=True):
        keys = [key for key in run.data.metrics if not key.startswith("perf/")]
        points = sorted((key, point.step, point.value) for key in keys for point in client.get_metric_history(run.info.run_id, key))
        histories[name] = run.data.tags["status"], points
    return histories
