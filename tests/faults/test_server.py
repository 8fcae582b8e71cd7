"""A run whose MLflow server is killed, hangs or stays away, as its own process may be killed with it: in the end MLflow has all, once."""

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
from mlflow import MlflowClient
from serving import end, free_port, serving

from bench.tracking import results, store

# The command, with a delivery that tries again at once instead of every ten seconds: more happens while a test lasts.
HASTY = "from bench.tracking import delivery; delivery.RETRY_SECONDS, delivery.PAUSE_RATIO = 0.3, 0.0; from bench.cli import main; main()"
SETTINGS = {"recipe.width": 8, "evaluation.samples": 500, "evaluation.marks": 20}
IMAGES = 100_000  # of a run of the short tests
Event = Literal["kill", "hang", "both", "away"]
Found = dict[str, Any]


@dataclass
class Scene:
    """A store, its server, and a run that writes to it."""

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
        self._context = context  # else it would end here

    def train(self, *words: str) -> subprocess.Popen[bytes]:
        """Start the run, or another command in its place."""
        given = [f"--set={path}={value}" for path, value in {**SETTINGS, "budget.images": self.images}.items()]
        command = words or ("run", "dcgan", "--dataset", "digits", *given)
        environment = {**os.environ, "GANBENCH_CHECKPOINT_SECONDS": "0.2", "MLFLOW_TRACKING_URI": self.uri, "OMP_NUM_THREADS": "1"}
        with (self.folder / "said.log").open("ab") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-c", HASTY, *command], cwd=self.folder, env=environment, stdout=said, stderr=said, start_new_session=True
            )
        return self.process

    def said(self) -> str:
        return (self.folder / "said.log").read_text()

    def close(self) -> None:
        for process in (self.server, self.process):
            if process is not None and process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def has_begun(self) -> bool:
        """Whether the run has a checkpoint, so that its writes go out."""
        return bool(list(self.folder.glob("runs/runs/*/state.safetensors")))

    def goes_on(self) -> bool:
        """Whether the run goes on; one that found no server when it began again, which is a mistake of the user's, is begun once more."""
        assert self.process is not None
        if self.process.poll() == 2:
            assert "does not answer" in self.said().splitlines()[-1]
            self.train()
        assert self.process.poll() in (None, 0), self.said()[-3000:]
        return self.process.poll() is None

    def cause(self, event: Event, chance: random.Random) -> None:
        """Let something happen to the server, and to the run."""
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
        if event == "both" and chance.random() < 0.5:  # the run comes back before the server
            assert self.train().wait(timeout=120) == 2, self.said()[-3000:]
        if event == "away":
            assert self.process.wait(timeout=600) in (0, 2), self.said()[-3000:]  # 2: it had just begun again, and finds no server
        else:
            time.sleep(chance.uniform(0.0, 2.0))
        self.serve()
        if event == "both":
            self.train()
        if event == "away" and self.process.returncode == 0:
            assert self.train("sync").wait(timeout=300) == 0, self.said()[-3000:]


def campaign(folder: Path, migrated: Path, *, events: list[Event], seed: int, images: int) -> tuple[Found, Counter[str]]:
    """Let all of it happen at random moments of a run, and return what MLflow has in the end, and what did happen in time."""
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
            if scene.goes_on():
                scene.cause(event, chance)
                happened[event] += 1
        while scene.goes_on():
            time.sleep(0.2)
        return recorded(scene.uri), happened
    finally:
        scene.close()


def recorded(uri: str) -> Found:
    """Everything that MLflow has of the one run that is there, clocks apart; a point that was sent twice is there twice."""
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
        "artifacts": {name: content(client, run.info.run_id, name) for name in names(client, run.info.run_id)},
    }


def names(client: MlflowClient, run_id: str, folder: str | None = None) -> list[str]:
    found = []
    for file in client.list_artifacts(run_id, folder):
        found += names(client, run_id, file.path) if file.is_dir else [file.path]
    return sorted(found)


def content(client: MlflowClient, run_id: str, name: str) -> object:
    """An artifact, without clocks, and of the machine only that it is described."""
    data = Path(client.download_artifacts(run_id, name)).read_bytes()
    if name != results.CURVES:
        return name if name == results.ENVIRONMENT else data
    curve = pd.read_parquet(io.BytesIO(data))
    return curve[~curve["key"].str.startswith("perf/")][["images", "key", "value"]].fillna(-1.0).to_numpy().tolist()


def assert_equal(found: Found, wanted: Found) -> None:
    assert found["status"] == ("FINISHED", "finished")
    for part in ("points", "steps", "params", "tags"):
        assert found[part] == wanted[part], part
    assert sorted(found["artifacts"]) == sorted(wanted["artifacts"])
    assert [name for name, data in wanted["artifacts"].items() if found["artifacts"][name] != data] == []


@pytest.fixture(scope="module")
def whole(migrated_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Found:
    """What the undisturbed run leaves."""
    found, _ = campaign(tmp_path_factory.mktemp("whole") / "run", migrated_store, events=[], seed=0, images=IMAGES)
    assert len(found["points"]) > 500
    assert len(found["artifacts"]) > 10
    return found


@pytest.mark.faults
@pytest.mark.parametrize("events", [["kill", "hang"], ["both"], ["away"]])
def test_a_server_that_is_killed_hangs_or_does_not_return(migrated_store: Path, tmp_path: Path, whole: Found, events: list[Event]) -> None:
    found, happened = campaign(tmp_path / "run", migrated_store, events=events, seed=1, images=IMAGES)
    assert happened[events[0]] == 1
    said = (tmp_path / "run" / "said.log").read_text()
    assert ("`ganbench sync` when the store answers again" in said) == (events == ["away"])
    assert_equal(found, whole)


@pytest.mark.faults
def test_thirty_disturbances_of_six_runs(migrated_store: Path, tmp_path: Path) -> None:
    images, total = 600_000, Counter[str]()
    wanted, _ = campaign(tmp_path / "whole", migrated_store, events=[], seed=0, images=images)
    for seed in range(6):
        chance = random.Random(seed)
        events: list[Event] = [*chance.choices(["kill", "hang", "both"], k=4), "away"]  # type: ignore[list-item]
        found, happened = campaign(tmp_path / f"seed-{seed}", migrated_store, events=events, seed=seed, images=images)
        assert_equal(found, wanted)
        total += happened
    assert total.total() >= 24, total
    assert min(total[event] for event in ("kill", "hang", "both")) >= 3, total
