"""Runs whose MLflow server is killed or hangs, or whose process is killed. Finally, MLflow has every point once."""

from __future__ import annotations

import io
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pytest
import small
from mlflow import MlflowClient
from serving import end, free_port, serving

from bench.tracking import results, store

# The command, with a retry of deliveries after 0.3 instead of 10 seconds, for more retries during a test.
FAST_RETRIES = (
    "from bench.tracking import delivery; delivery.RETRY_SECONDS, delivery.PAUSE_RATIO = 0.3, 0.0; from bench.cli import main; main()"
)
SETTINGS = {"recipe.width": 8, "evaluation.samples": 500, "evaluation.marks": 20}
IMAGES = 100_000  # budget of a run in the short tests
Event = Literal["kill", "hang", "both", "away"]
Found = dict[str, Any]


@dataclass
class Scene:
    """A store, its server, and the process of a run that writes to it."""

    folder: Path
    images: int
    port: int = field(default_factory=free_port)
    server: subprocess.Popen[bytes] | None = None
    process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def serve(self) -> None:
        """Start the server and wait until it answers."""
        context = serving(self.folder, self.port)
        self.server = context.__enter__()
        self._context = context  # without this reference, the server is stopped here

    def train(self, *words: str) -> subprocess.Popen[bytes]:
        """Start the run, or another command."""
        given = [f"--set={path}={value}" for path, value in {**SETTINGS, "budget.images": self.images}.items()]
        command = words or ("run", "dcgan", "--dataset", "digits", *given)
        environment = {**os.environ, "GANBENCH_CHECKPOINT_SECONDS": "0.2", "MLFLOW_TRACKING_URI": self.uri, "OMP_NUM_THREADS": "1"}
        with (self.folder / "output.log").open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", FAST_RETRIES, *command],
                cwd=self.folder,
                env=environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        return self.process

    def output(self) -> str:
        return (self.folder / "output.log").read_text()

    def close(self) -> None:
        for process in (self.server, self.process):
            if process is not None and process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def has_begun(self) -> bool:
        """Return whether the run has a checkpoint. Points are sent from the first checkpoint."""
        return bool(list(self.folder.glob("runs/runs/*/state.safetensors")))

    def is_running(self) -> bool:
        """Return whether the run is running. Restart the run if it failed because no server answered at its start."""
        assert self.process is not None
        if self.process.poll() == 2:
            assert "does not answer" in self.output().splitlines()[-1]
            self.train()
        assert self.process.poll() in (None, 0), self.output()[-3000:]
        return self.process.poll() is None

    def cause(self, event: Event, chance: random.Random) -> None:
        """Suspend or kill the server for some time. The event "both" also kills the run."""
        assert self.server is not None
        assert self.process is not None
        if event == "hang":
            os.killpg(self.server.pid, signal.SIGSTOP)
            time.sleep(chance.uniform(0.5, 8.0))
            os.killpg(self.server.pid, signal.SIGCONT)
            return
        if event == "both":
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        end(self.server)
        if event == "both" and chance.random() < 0.5:  # the run starts before the server
            assert self.train().wait(timeout=120) == 2, self.output()[-3000:]
        if event == "away":
            assert self.process.wait(timeout=600) in (0, 2), self.output()[-3000:]  # 2: the run was restarted without a server
        else:
            time.sleep(chance.uniform(0.0, 2.0))
        self.serve()
        if event == "both":
            self.train()
        if event == "away" and self.process.returncode == 0:
            assert self.train("sync").wait(timeout=300) == 0, self.output()[-3000:]


def disturbed_run(folder: Path, migrated: Path, *, events: list[Event], seed: int, images: int) -> tuple[Found, Counter[str]]:
    """Cause the events at random times of a run. Return its records in MLflow, and the number of events before its end."""
    folder.mkdir()
    (folder / "mlflow.db").write_bytes(migrated.read_bytes())
    scene, chance, happened = Scene(folder, images), random.Random(seed), Counter[str]()
    try:
        scene.serve()
        process = scene.train()
        while not scene.has_begun() and process.poll() is None:
            time.sleep(0.05)
        for event in events:
            time.sleep(chance.uniform(0.2, 4.0))
            if scene.is_running():
                scene.cause(event, chance)
                happened[event] += 1
        while scene.is_running():
            time.sleep(0.2)
        return recorded(scene.uri), happened
    finally:
        scene.close()


def recorded(uri: str) -> Found:
    """Return the records of the only run in MLflow, without times and with duplicate points."""
    client = store.connect(uri)
    experiment = client.get_experiment_by_name("runs")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id], "tags.kind = 'run'")
    keys = [key for key in run.data.metrics if not key.startswith("perf/")]
    points = sorted((key, point.step, point.value) for key in keys for point in client.get_metric_history(run.info.run_id, key))
    clocks = sorted((key, point.step) for key in run.data.metrics for point in client.get_metric_history(run.info.run_id, key))
    tags = {key: value for key, value in run.data.tags.items() if not key.startswith("mlflow.") and key != "owner"}
    return {
        "status": (run.info.status, run.data.tags["status"]),
        "points": points,
        "steps": clocks,
        "params": run.data.params,
        "tags": tags,
        "artifacts": {small.timeless(name): content(client, run.info.run_id, name) for name in names(client, run.info.run_id)},
    }


def names(client: MlflowClient, run_id: str, folder: str | None = None) -> list[str]:
    found = []
    for file in client.list_artifacts(run_id, folder):
        found += names(client, run_id, file.path) if file.is_dir else [file.path]
    return sorted(found)


def content(client: MlflowClient, run_id: str, name: str) -> object:
    """Return the content of an artifact without times. For the environment, return only its name."""
    data = Path(client.download_artifacts(run_id, name)).read_bytes()
    if name != results.CURVES:
        return name if name == results.ENVIRONMENT else data
    curve = pd.read_parquet(io.BytesIO(data))
    return curve[~curve["key"].str.startswith("perf/")][["images", "key", "value"]].fillna({"value": -1.0}).to_numpy().tolist()


def assert_equal(found: Found, wanted: Found) -> None:
    assert found["status"] == ("FINISHED", "finished")
    for part in ("points", "steps", "params", "tags"):
        assert found[part] == wanted[part], part
    assert sorted(found["artifacts"]) == sorted(wanted["artifacts"])
    assert [name for name, data in wanted["artifacts"].items() if found["artifacts"][name] != data] == []


@pytest.fixture(scope="module")
def whole(migrated_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Found:
    """Return the records of an undisturbed run."""
    found, _ = disturbed_run(tmp_path_factory.mktemp("whole") / "run", migrated_store, events=[], seed=0, images=IMAGES)
    assert len(found["points"]) > 500
    assert len(found["artifacts"]) > 10
    return found


@pytest.mark.faults
@pytest.mark.parametrize("events", [["kill", "hang"], ["both"], ["away"]])
def test_a_server_that_is_killed_hangs_or_does_not_return(migrated_store: Path, tmp_path: Path, whole: Found, events: list[Event]) -> None:
    found, happened = disturbed_run(tmp_path / "run", migrated_store, events=events, seed=1, images=IMAGES)
    assert happened[events[0]] == 1
    output = (tmp_path / "run" / "output.log").read_text()
    assert ("`ganbench sync` when the store answers again" in output) == (events == ["away"])
    assert_equal(found, whole)


@pytest.mark.faults
def test_thirty_disturbances_of_six_runs(migrated_store: Path, tmp_path: Path) -> None:
    images, total = 600_000, Counter[str]()
    wanted, _ = disturbed_run(tmp_path / "whole", migrated_store, events=[], seed=0, images=images)
    for seed in range(6):
        chance = random.Random(seed)
        events: list[Event] = [*chance.choices(["kill", "hang", "both"], k=4), "away"]  # type: ignore[list-item]
        found, happened = disturbed_run(tmp_path / f"seed-{seed}", migrated_store, events=events, seed=seed, images=images)
        assert_equal(found, wanted)
        total += happened
    assert total.total() >= 24, total
    assert min(total[event] for event in ("kill", "hang", "both")) >= 3, total
