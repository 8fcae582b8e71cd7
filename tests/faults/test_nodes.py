"""Suites on a Ray cluster of two nodes on this machine: a lost node, an interrupted suite, and too few resources."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import photos
import pytest
from whole_suites import assert_undisturbed, descendants, output_of, runs_of, start, terminate, undisturbed

from bench.core.config import DATASETS
from bench.metrics.extractors import classifier_training
from bench.metrics.extractors.local import trained

DCGANS = {"variants": "dcgan", "images": 80_000}
TWO = ("--seeds", "2")
NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    nodes = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    nodes.add_node(**NODE)
    yield nodes
    nodes.shutdown()


def raylet(node: Any) -> int:
    """Return the process id of a node's raylet."""
    return int(node.all_processes["raylet"][0].process.pid)


def wait_for(process: subprocess.Popen[bytes], folder: Path, found: Any, seconds: float = 600) -> Any:
    """Wait until `found()` returns a true value, and return it."""
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert process.poll() is None, output_of(folder)
        assert time.monotonic() < deadline, output_of(folder)
        time.sleep(0.1)
    return value


def trained_by(node: Any, folder: Path) -> str:
    """Return the fingerprint of a run that a worker of this node trains and that has a checkpoint, or an empty string."""
    workers = {str(pid) for pid in descendants(raylet(node))}
    for run in runs_of(folder):
        tags = run.data.tags
        mine = tags["status"] == "running" and tags["owner"].rpartition(":")[2] in workers
        if mine and (folder / "runs" / "smoke" / tags["fingerprint"] / "state.safetensors").exists():
            return str(tags["fingerprint"])
    return ""


@pytest.mark.slow
def test_the_runs_of_a_lost_node_resume_elsewhere(cluster: Any, tmp_path: Path) -> None:
    folder = tmp_path / "lost"
    process = start(folder, "--ray", cluster.address, *TWO, **DCGANS)  # type: ignore[arg-type]
    try:
        lost = next(iter(cluster.worker_nodes))
        wait_for(process, folder, lambda: trained_by(lost, folder))
        cluster.remove_node(lost, allow_graceful=False)
        assert process.wait(timeout=600) == 0, output_of(folder)
    finally:
        terminate(process)
    words = " ".join((folder / "output.log").read_text().split())
    assert words.count("its node was lost; it resumes from its last checkpoint") == 1
    assert "no remaining node has enough resources" not in words
    assert_undisturbed(folder, undisturbed(tmp_path / "whole", *TWO, **DCGANS))


@pytest.mark.faults
def test_a_node_with_a_cache_of_its_own_measures_with_the_drivers_classifier(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = f"folder:{photos.fill(tmp_path / 'photos', 60, classes=('bird', 'cat'))}"
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path / "node"))
    own = cluster.add_node(**NODE)
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path / "driver"))
    monkeypatch.setattr(classifier_training, "SEED", 1)  # a classifier that the node trains is not bit-identical
    trained(DATASETS.get(data))
    folder = tmp_path / "suite"
    small = ("--dataset", data, "--set", "evaluation.samples=20", "--set", "recipe.batch_size=8", "--seeds", "3")
    process = start(folder, "--ray", cluster.address, *small, variants="dcgan", workers=3, images=3_000)
    workers: set[int] = set()
    try:
        while process.poll() is None:
            workers.update(descendants(raylet(own)))
            time.sleep(0.1)
    finally:
        terminate(process)
    assert process.returncode == 0, output_of(folder)
    tags = [run.data.tags for run in runs_of(folder)]
    assert [tag["status"] for tag in tags] == ["finished"] * 3
    assert {int(tag["owner"].rpartition(":")[2]) for tag in tags} & workers, (
        "none of the 3 runs was trained on the added node; the test needs at least one"
    )
    assert len({tag["protocol"] for tag in tags}) == 1
    assert not (tmp_path / "node" / "extractors").exists()


@pytest.mark.faults
def test_ctrl_c_stops_the_runs_of_all_nodes(cluster: Any, tmp_path: Path) -> None:
    """Ctrl-C interrupts the runs of both nodes with a checkpoint. The third run, which waits for resources, does not start."""
    folder = tmp_path / "stopped"
    process = start(folder, "--ray", cluster.address, "--seeds", "3", variants="dcgan", workers=3, images=10_000_000)
    try:
        wait_for(process, folder, lambda: all(trained_by(node, folder) for node in cluster.list_all_nodes()))
        wait_for(process, folder, lambda: len(set(re.findall(r"dcgan seed \d: \d+%", (folder / "output.log").read_text()))) >= 2)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=120) == 130, output_of(folder)
    finally:
        terminate(process)
    assert [run.data.tags["status"] for run in runs_of(folder)] == ["interrupted", "interrupted"]
    assert len(list(folder.glob("runs/smoke/*/state.safetensors"))) == 2


@pytest.mark.faults
def test_ctrl_c_twice_leaves_no_worker(cluster: Any, tmp_path: Path) -> None:
    folder = tmp_path / "stopped"
    process = start(folder, "--ray", cluster.address, *TWO, "--set", "recipe.lr_g=1e-4", variants="dcgan", images=10_000_000)
    try:
        wait_for(process, folder, lambda: trained_by(cluster.head_node, folder))
        owners = [int(run.data.tags["owner"].rpartition(":")[2]) for run in runs_of(folder)]
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
        deadline = time.monotonic() + 30
        while any(Path(f"/proc/{owner}").exists() for owner in owners) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not [owner for owner in owners if Path(f"/proc/{owner}").exists()]
    finally:
        terminate(process)


@pytest.mark.faults
def test_a_run_that_fits_no_node_is_refused(cluster: Any, tmp_path: Path) -> None:
    process = start(tmp_path / "none", "--ray", cluster.address, "--gpus-per-run", "0.5")
    assert process.wait(timeout=120) == 2
    words = " ".join((tmp_path / "none" / "output.log").read_text().split())
    assert f"not enough resources on any node of {cluster.address}: each run needs 1 core(s), 0.5 GPU" in words
    assert [file.name for file in (tmp_path / "none").iterdir()] == ["output.log"]
