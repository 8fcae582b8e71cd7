"""Where runs go side by side: the cores of this machine or the nodes of a Ray cluster, and what is set aside there for each run."""

from __future__ import annotations

import logging
import math
import os
import socket
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.core import environment
from bench.core.errors import UserError, one_line

log = logging.getLogger(__name__)
GB = 1e9
LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"  # "0": Ray's processes listen on 127.0.0.1 alone, as there; read when Ray is imported
KNOCK_SECONDS = 5.0
_OWN_NAMES = ("127.0.0.1", "localhost", "::1")
_ROUNDING = 1e-9
CHECK_SECONDS = 120.0  # for all nodes of a cluster to say what they have


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """This machine, or the Ray cluster at an address. What each run gets; None: `settled` decides."""

    address: str = ""
    cpus: float | None = None
    gpus: float | None = None  # 0.5: two runs share one
    memory_gb: float = 0.0  # set aside, not enforced: Ray starts no more runs on a node than fit

    def __post_init__(self) -> None:
        for option, value in (("--cpus-per-run", self.cpus), ("--gpus-per-run", self.gpus), ("--memory-per-run", self.memory_gb)):
            if value is not None and not (0 <= value < math.inf):
                raise UserError(f"{option} takes 0 or more, not {value:g}")
        if self.cpus == 0:
            raise UserError("--cpus-per-run takes more than 0: every run computes with one core at least")
        if self.gpus and self.gpus > 1:
            raise UserError(f"--gpus-per-run takes at most 1, for a run computes on one device, not {self.gpus:g}")
        if self.address.startswith("ray://"):
            raise UserError(
                f"--ray {self.address}: start ganbench on a node of the cluster (`ray start --address=HOST:PORT` makes this machine one)"
            )

    def settled(self, *, threads: int, cuda: bool) -> Cluster:
        """With numbers for what was not given: a core for each thread and, on a cluster, a whole GPU for a run on one."""
        return replace(
            self,
            cpus=float(threads) if self.cpus is None else self.cpus,
            gpus=float(cuda and bool(self.address)) if self.gpus is None else self.gpus,
        )

    def workers(self, asked: int | None) -> int:
        """The number of runs side by side, of a settled cluster. UserError where none fits, or fewer here than were asked for."""
        if self.address:
            return self._of_nodes(asked)
        here: dict[str, float] = {
            "CPU": environment.cores(),
            "GPU": environment.gpus(),
            "memory": (environment.memory_gb() or math.inf) * GB,
        }
        most = self.fits({**here, "CPU": max(here["CPU"], self.cpus or 1)})  # a run of more threads than cores is slow, and it runs
        if not most:
            raise UserError(f"no run fits here: it is to get {self._words()}, and there are {_has(here)}")
        if asked is not None and not 1 <= asked <= most:
            raise UserError(f"--workers takes 1 to {most} here ({environment.cores()} cores, {self._words()} a run), not {asked}")
        return asked or most

    def options(self) -> dict[str, Any]:
        """What Ray is asked for with each task of a settled cluster. On this machine the number of workers says it all but the GPU."""
        if not self.address:
            return {"num_cpus": 1, "num_gpus": self.gpus or 0}
        return {"num_cpus": self.cpus, "num_gpus": self.gpus or 0, "memory": int(self.memory_gb * GB)}

    def fits(self, resources: dict[str, float]) -> int:
        """How many runs fit on a node with these resources, as Ray names them."""
        most = math.floor(resources.get("CPU", 0) / (self.cpus or 1) + _ROUNDING)
        if self.gpus:
            most = min(most, math.floor(resources.get("GPU", 0)) * math.floor(1 / self.gpus + _ROUNDING))  # no run has parts of two
        return math.floor(min(most, resources.get("memory", 0) / (self.memory_gb * GB) + _ROUNDING)) if self.memory_gb else most

    def _of_nodes(self, asked: int | None) -> int:
        nodes = alive(connect(self))
        most = sum(self.fits(node["Resources"]) for node in nodes)
        if not most:
            there = "; ".join(f"{node['NodeManagerHostname']} has {_has(node['Resources'])}" for node in nodes)
            raise UserError(f"no node of {self.address} has room for a run, which is to get {self._words()}: {there}")
        if asked is not None and asked < 1:
            raise UserError(f"--workers takes 1 or more, not {asked}")
        return asked or most

    def _words(self) -> str:
        parts = [f"{self.cpus or 1:g} core(s)"]
        parts += [f"{self.gpus:g} GPU"] if self.gpus else []
        parts += [f"{self.memory_gb:g} GB"] if self.memory_gb else []
        return ", ".join(parts)


HERE = Cluster()


def start(workers: int) -> Any | None:
    """Ray with so many slots on this machine, reachable from here alone; None, with a loud line that says why, where it cannot be."""
    _quiet()
    os.environ.setdefault(LOOPBACK, "0")
    try:
        import ray
    except ImportError:
        log.warning(
            "RAY IS NOT INSTALLED: the runs go one after another, with the same numbers. `pip install 'ganbench[parallel]'` to use all cores."
        )
        return None
    try:
        ray.init(
            address="local", num_cpus=workers, include_dashboard=False, object_store_memory=100 * 2**20,
            log_to_driver=False, logging_level=logging.ERROR, configure_logging=True,
        )  # fmt: skip
    except Exception as error:  # Ray raises many kinds
        log.warning("RAY CANNOT START: the runs go one after another, with the same numbers. %s", one_line(error, most=200))
        return None
    return ray


def connect(cluster: Cluster) -> Any:
    """Ray, joined to the cluster; UserError where there is none."""
    _quiet()
    try:
        import ray
    except ImportError:
        raise UserError("--ray needs the package ray: pip install 'ganbench[parallel]'") from None
    if ray.is_initialized():
        return ray
    _knock(cluster.address)
    try:
        ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR, configure_logging=True)
    except Exception as error:  # Ray raises many kinds
        raise UserError(f"no Ray cluster can be joined at {cluster.address}: {one_line(error, most=200)}") from error
    return ray


def _knock(address: str) -> None:
    """UserError unless somebody listens there: Ray itself would try for minutes."""
    from ray.util import get_node_ip_address as own_address

    host, _, port = address.rpartition(":")
    if address == "auto":
        return
    if not host or not port.isdigit():
        raise UserError(f"--ray takes HOST:PORT, or auto for the cluster that this machine is a node of, not {address!r}")
    try:
        host = str(own_address()) if host in _OWN_NAMES else host  # type: ignore[no-untyped-call]  # as Ray does
        socket.create_connection((host, int(port)), timeout=KNOCK_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise UserError(f"no Ray cluster answers at {address}: {getattr(error, 'strerror', None) or one_line(error, most=200)}") from error


def _quiet() -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_worker_niceness", "0")  # else whatever runs beside a benchmark slows it
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")


def alive(ray: Any) -> list[dict[str, Any]]:
    """The nodes of the cluster that are there now, as Ray describes them."""
    return [node for node in ray.nodes() if node["Alive"]]


def check_nodes(cluster: Cluster, folder: Path, *, one_machine: Sequence[str] = ()) -> None:
    """See that every node computes with the same code and sees the folder of checkpoints.

    `one_machine` names what can be used on one machine only, such as a SQLite store. UserError where results would not be comparable or lost.
    """
    ray = connect(cluster)
    here = describe()
    told = _ask_all(ray, folder)
    for other in told:
        different = [f"{name} {other[name]}, here {here[name]}" for name in here if name != "host" and other[name] != here[name]]
        if different:
            raise UserError(f"the node {other['host']} has {'; '.join(different)}: install the same there, or its runs are not comparable")
    elsewhere = sorted({other["host"] for other in told} - {here["host"]})
    if elsewhere and one_machine:
        raise UserError(f"{one_machine[0]} serves one machine, and {elsewhere[0]} is another: use a server (docs/deploy)")
    if blind := sorted({other["host"] for other in told if not other["shared"]}):
        log.warning(
            "%s does not see %s: should that node be lost, its runs begin again. A folder that all nodes share keeps them (--runs-dir).",
            ", ".join(blind), folder,
        )  # fmt: skip


def describe() -> dict[str, str]:
    """What must be the same on all nodes, and the name of this one."""
    from bench.core.config import RESULTS_VERSION

    commit, changed = environment.source_commit()
    code = f"{commit or 'unknown'}{' (changed)' if changed else ''}"
    names = {"ganbench": version("ganbench"), "commit": code, "results version": str(RESULTS_VERSION)}
    return {"host": socket.gethostname(), **names, **{name: version(name) for name in ("torch", "torchvision", "numpy")}}


def _ask_all(ray: Any, folder: Path) -> list[dict[str, Any]]:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    there = next(path for path in (folder, *folder.parents) if path.is_dir())
    with tempfile.NamedTemporaryFile(dir=there, prefix=".ganbench-") as token:
        ask = ray.remote(num_cpus=0, max_retries=0)(_describe)
        asked = [
            ask.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote(token.name)
            for node in alive(ray)
        ]
        try:
            return list(ray.get(asked, timeout=CHECK_SECONDS))
        except Exception as error:  # Ray raises many kinds
            raise UserError(f"a node of the cluster does not answer as it should: {one_line(error, most=300)}") from error


def _describe(token: str) -> dict[str, Any]:
    """On a node: what it has, and whether it sees a file of the driver's."""
    return {**describe(), "shared": Path(token).exists()}


def _has(resources: dict[str, float]) -> str:
    return f"{resources.get('CPU', 0):g} core(s), {resources.get('GPU', 0):g} GPU, {resources.get('memory', 0) / GB:.1f} GB"
