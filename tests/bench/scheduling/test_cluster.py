"""Resources of runs, numbers of workers, and checks of nodes."""

from __future__ import annotations

import math
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.core.errors import UserError
from bench.scheduling import cluster
from bench.scheduling.cluster import HERE, Cluster, check_nodes, describe


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    def describe_machine(cores: int, gpus: int = 0, memory_gb: int | None = 16) -> None:
        monkeypatch.setattr("bench.core.environment.cores", lambda: cores)
        monkeypatch.setattr("bench.core.environment.gpus", lambda: gpus)
        monkeypatch.setattr("bench.core.environment.memory_gb", lambda: memory_gb)

    return describe_machine


@pytest.mark.parametrize(("cores", "threads", "expected"), [(8, 1, 8), (8, 3, 2), (2, 4, 1)])
def test_workers_fill_the_cores(machine: Any, cores: int, threads: int, expected: int) -> None:
    machine(cores)
    here = HERE.resolved(threads=threads, cuda=False)
    assert here.workers(None) == expected
    assert here.workers(expected) == expected
    for wrong in (0, -1, expected + 1):
        with pytest.raises(UserError, match=f"--workers takes 1 to {expected}"):
            here.workers(wrong)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"cpus": 2.0}, 4), ({"cpus": 0.5}, 16), ({"gpus": 1.0}, 2), ({"gpus": 0.5}, 4), ({"gpus": 0.4}, 4), ({"gpus": 0.1}, 8), ({"memory_gb": 5.0}, 3),
        ({"gpus": 0.5, "memory_gb": 6.0}, 2),
    ],
)  # fmt: skip
def test_workers_fill_the_scarcest_resource(machine: Any, given: dict[str, float], expected: int) -> None:
    """The scarcest resource limits the number of workers, and no run uses parts of two GPUs."""
    machine(8, gpus=2, memory_gb=16)
    assert Cluster(**given).resolved(threads=1, cuda=True).workers(None) == expected  # type: ignore[arg-type]


def test_an_unknown_memory_size_limits_nothing(machine: Any) -> None:
    machine(4, memory_gb=None)
    assert Cluster(memory_gb=100).resolved(threads=1, cuda=False).workers(None) == 4


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"gpus": 0.5}, "each run needs 1 core(s), 0.5 GPU, but this machine has 8 core(s), 0 GPU, 16.0 GB"),
        ({"memory_gb": 17.0}, "each run needs 1 core(s), 17 GB"),
    ],
)
def test_a_run_that_needs_more_than_the_machine_has_is_refused(machine: Any, given: dict[str, float], words: str) -> None:
    machine(8)
    with pytest.raises(UserError) as refused:
        Cluster(**given).resolved(threads=1, cuda=False).workers(None)  # type: ignore[arg-type]
    assert str(refused.value).startswith("not enough resources: ")
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"cpus": 0}, "--cpus-per-run takes more than 0"), ({"cpus": -1}, "--cpus-per-run takes a finite number from 0 up, not -1"),
        ({"gpus": math.nan}, "--gpus-per-run takes a finite number from 0 up, not nan"), ({"gpus": 1.5}, "--gpus-per-run takes at most 1"),
        ({"memory_gb": math.inf}, "--memory-per-run takes a finite number from 0 up, not inf"), ({"address": "ray://head:10001"}, "add this machine with `ray start"),
    ],
)  # fmt: skip
def test_impossible_resources_are_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        Cluster(**given)


def test_a_cuda_run_gets_a_gpu_on_a_cluster_but_none_on_one_machine() -> None:
    assert Cluster(address="auto").resolved(threads=2, cuda=True) == Cluster(address="auto", cpus=2, gpus=1)
    assert Cluster(address="auto", gpus=0.25).resolved(threads=2, cuda=True).gpus == 0.25
    assert HERE.resolved(threads=2, cuda=True) == Cluster(cpus=2, gpus=0)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("head", "--ray takes HOST:PORT, or auto"), ("head:port", "--ray takes HOST:PORT"), (":6379", "--ray takes HOST:PORT"),
        ("127.0.0.1:99999", "no Ray cluster answers at 127.0.0.1:99999"),
    ],
)  # fmt: skip
def test_an_invalid_address_is_refused_at_once(address: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        cluster.connect(Cluster(address=address))


def test_an_address_without_a_server_is_refused_at_once() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(UserError, match=f"no Ray cluster answers at localhost:{port}: Connection refused"):
        cluster.connect(Cluster(address=f"localhost:{port}"))


def nodes(monkeypatch: pytest.MonkeyPatch, *resources: dict[str, float]) -> None:
    live = [{"Alive": True, "NodeManagerHostname": f"node{index}", "Resources": one} for index, one in enumerate(resources)]
    lost = {"Alive": False, "NodeManagerHostname": "lost", "Resources": {"CPU": 1000.0}}
    monkeypatch.setattr(cluster, "connect", lambda _: SimpleNamespace(nodes=lambda: [*live, lost]))


def test_workers_fill_the_live_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes(monkeypatch, {"CPU": 4, "memory": 8e9}, {"CPU": 7, "GPU": 2, "memory": 8e9})
    many = Cluster(address="auto", cpus=2, gpus=0)
    assert many.workers(None) == 5
    assert many.workers(100) == 100  # workers without free resources wait
    assert Cluster(address="auto", cpus=2, gpus=1).workers(None) == 2
    assert Cluster(address="auto", cpus=2, gpus=0, memory_gb=5).workers(None) == 2
    with pytest.raises(UserError, match="--workers takes 1 or more, not 0"):
        many.workers(0)
    with pytest.raises(
        UserError,
        match=r"not enough resources on any node of auto: each run needs 8 core\(s\); node0 has 4 core\(s\), 0 GPU, 8.0 GB; node1 has 7",
    ):
        Cluster(address="auto", cpus=8, gpus=0).workers(None)


def set_reports(monkeypatch: pytest.MonkeyPatch, *others: dict[str, Any]) -> None:
    monkeypatch.setattr(cluster, "connect", lambda _: None)
    monkeypatch.setattr(cluster, "_query_nodes", lambda *_: [{**describe(), "shared": True, **other} for other in others])


def test_nodes_with_other_code_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_reports(monkeypatch, {}, {"host": "b", "torch": "1.0"})
    with pytest.raises(UserError, match=r"the node b has torch 1.0, here 2.*: install the same versions on it"):
        check_nodes(Cluster(address="auto"), tmp_path)


def test_a_store_for_one_machine_is_refused_on_several(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_reports(monkeypatch, {}, {})  # two nodes of one machine
    check_nodes(Cluster(address="auto"), tmp_path, one_machine=["a SQLite store"])
    set_reports(monkeypatch, {}, {"host": "b"})
    check_nodes(Cluster(address="auto"), tmp_path)
    with pytest.raises(UserError, match="a SQLite store serves one machine only, not b"):
        check_nodes(Cluster(address="auto"), tmp_path, one_machine=["a SQLite store"])


def test_a_folder_that_is_not_shared_is_logged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    set_reports(monkeypatch, {}, {"host": "b", "shared": False})
    check_nodes(Cluster(address="auto"), tmp_path)
    assert f"b has no access to {tmp_path}, so its runs restart if that node is lost" in caplog.text
