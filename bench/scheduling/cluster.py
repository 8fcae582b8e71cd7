"""Resources for parallel runs: the cores of this machine or the nodes of a Ray cluster, and the resources of each run."""

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
LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"  # "0": Ray listens on 127.0.0.1 only. Ray reads the variable when it is imported
CONNECT_SECONDS = 5.0
_OWN_NAMES = ("127.0.0.1", "localhost", "::1")
_ROUNDING = 1e-9
CHECK_SECONDS = 120.0  # timeout for all nodes of a cluster to report their software


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Machine or Ray cluster that trains runs, and the resources of each run. `resolved` replaces None by defaults."""

    address: str = ""
    cpus: float | None = None
    gpus: float | None = None  # 0.5: two runs share a GPU
    memory_gb: float = 0.0  # reserved, not enforced: Ray starts only as many runs on a node as fit

    def __post_init__(self) -> None:
        for option, value in (("--cpus-per-run", self.cpus), ("--gpus-per-run", self.gpus), ("--memory-per-run", self.memory_gb)):
            if value is not None and not (0 <= value < math.inf):
                raise UserError(f"{option} takes a finite number from 0 up, not {value:g}")
        if self.cpus == 0:
            raise UserError("--cpus-per-run takes more than 0, not 0, because every run needs a core")
        if self.gpus and self.gpus > 1:
            raise UserError(f"--gpus-per-run takes at most 1, because a run uses one device, not {self.gpus:g}")
        if self.address.startswith("ray://"):
            raise UserError(
                f"--ray {self.address} cannot be used: add this machine with `ray start --address=HOST:PORT`, then give --ray HOST:PORT"
            )

    def resolved(self, *, threads: int, cuda: bool) -> Cluster:
        """Return a copy with defaults for missing numbers: a core for each thread and, on a cluster, a whole GPU for a CUDA run."""
        return replace(
            self,
            cpus=float(threads) if self.cpus is None else self.cpus,
            gpus=float(cuda and bool(self.address)) if self.gpus is None else self.gpus,
        )

    def workers(self, requested: int | None) -> int:
        """Return the number of parallel runs: the requested number, else as many as fit.

        Raises UserError if no run fits, or if this machine cannot run as many as requested.
        """
        if self.address:
            return self._cluster_workers(requested)
        here: dict[str, float] = {
            "CPU": environment.cores(),
            "GPU": environment.gpus(),
            "memory": (environment.memory_gb() or math.inf) * GB,
        }
        most = self.fits({**here, "CPU": max(here["CPU"], self.cpus or 1)})  # a run with more threads than cores is slow but possible
        if not most:
            raise UserError(
                f"not enough resources: each run needs {self._request()}, but this machine has {_resources(here)}; lower --cpus-per-run, --gpus-per-run or --memory-per-run"
            )
        if requested is not None and not 1 <= requested <= most:
            raise UserError(f"--workers takes 1 to {most} here ({environment.cores()} cores, {self._request()} a run), not {requested}")
        return requested or most

    def options(self) -> dict[str, Any]:
        """Return the resource options of a Ray task. On this machine the number of workers limits everything but GPUs."""
        if not self.address:
            return {"num_cpus": 1, "num_gpus": self.gpus or 0}
        return {"num_cpus": self.cpus, "num_gpus": self.gpus or 0, "memory": int(self.memory_gb * GB)}

    def fits(self, resources: dict[str, float]) -> int:
        """Return how many runs fit on a node with these resources, by their names in Ray."""
        most = math.floor(resources.get("CPU", 0) / (self.cpus or 1) + _ROUNDING)
        if self.gpus:
            most = min(most, math.floor(resources.get("GPU", 0)) * math.floor(1 / self.gpus + _ROUNDING))  # a run does not share two GPUs
        return math.floor(min(most, resources.get("memory", 0) / (self.memory_gb * GB) + _ROUNDING)) if self.memory_gb else most

    def _cluster_workers(self, requested: int | None) -> int:
        nodes = live_nodes(connect(self))
        most = sum(self.fits(node["Resources"]) for node in nodes)
        if not most:
            sizes = "; ".join(f"{node['NodeManagerHostname']} has {_resources(node['Resources'])}" for node in nodes)
            raise UserError(
                f"not enough resources on any node of {self.address}: each run needs {self._request()}; {sizes}; lower --cpus-per-run, --gpus-per-run or --memory-per-run"
            )
        if requested is not None and requested < 1:
            raise UserError(f"--workers takes 1 or more, not {requested}")
        return requested or most

    def _request(self) -> str:
        parts = [f"{self.cpus or 1:g} core(s)"]
        parts += [f"{self.gpus:g} GPU"] if self.gpus else []
        parts += [f"{self.memory_gb:g} GB"] if self.memory_gb else []
        return ", ".join(parts)


HERE = Cluster()


def start(workers: int) -> Any | None:
    """Start Ray with this number of slots, reachable from this machine only. Return None with a warning if that fails."""
    _set_ray_defaults()
    os.environ.setdefault(LOOPBACK, "0")
    try:
        import ray
    except ImportError:
        log.warning(
            "RAY IS NOT INSTALLED: this process trains one run after another, with the same results; pip install 'ganbench[parallel]' to use all cores"
        )
        return None
    try:
        ray.init(
            address="local", num_cpus=workers, include_dashboard=False, object_store_memory=100 * 2**20,
            log_to_driver=False, logging_level=logging.ERROR, configure_logging=True,
        )  # fmt: skip
    except Exception as error:  # Ray raises many kinds
        log.warning("RAY CANNOT START (%s): this process trains one run after another, with the same results", one_line(error, most=200))
        return None
    return ray


def connect(cluster: Cluster) -> Any:
    """Connect to the Ray cluster and return the module ray. Raises UserError if the cluster does not answer."""
    _set_ray_defaults()
    try:
        import ray
    except ImportError:
        raise UserError("--ray needs the package ray, which is not installed: pip install 'ganbench[parallel]'") from None
    if ray.is_initialized():
        return ray
    _check_reachable(cluster.address)
    try:
        ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR, configure_logging=True)
    except Exception as error:  # Ray raises many kinds
        raise UserError(f"cannot connect to a Ray cluster at {cluster.address}: {one_line(error, most=200)}; check the address") from error
    return ray


def _check_reachable(address: str) -> None:
    """Raise UserError if nothing listens at an address. Without this check, Ray retries for minutes."""
    from ray.util import get_node_ip_address as own_address

    host, _, port = address.rpartition(":")
    if address == "auto":
        return
    if not host or not port.isdigit():
        raise UserError(f"--ray takes HOST:PORT, or auto for the cluster that this machine is a node of, not {address!r}")
    try:
        host = str(own_address()) if host in _OWN_NAMES else host  # type: ignore[no-untyped-call]  # as Ray does
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise UserError(
            f"no Ray cluster answers at {address}: {getattr(error, 'strerror', None) or one_line(error, most=200)}; start it with `ray start --head`"
        ) from error


def _set_ray_defaults() -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_worker_niceness", "0")  # by default Ray lowers the priority of its workers, which makes runs slower
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")


def live_nodes(ray: Any) -> list[dict[str, Any]]:
    """Return the live nodes of the cluster, as Ray describes them."""
    return [node for node in ray.nodes() if node["Alive"]]


def check_nodes(cluster: Cluster, folder: Path, *, one_machine: Sequence[str] = ()) -> None:
    """Check that every node has the same code, and warn if a node has no access to the folder of checkpoints.

    `one_machine` lists resources that only one machine can use, such as a SQLite store. Raises UserError if a node has other versions, or if
    several machines need such a resource.
    """
    ray = connect(cluster)
    here = describe()
    reports = _query_nodes(ray, folder)
    for other in reports:
        different = [f"{name} {other[name]}, here {here[name]}" for name in here if name != "host" and other[name] != here[name]]
        if different:
            raise UserError(
                f"the node {other['host']} has {'; '.join(different)}: install the same versions on it, so that its runs are comparable"
            )
    elsewhere = sorted({other["host"] for other in reports} - {here["host"]})
    if elsewhere and one_machine:
        raise UserError(f"{one_machine[0]} serves one machine only, not {elsewhere[0]}: use a server (docs/deploy)")
    if unshared := sorted({other["host"] for other in reports if not other["shared"]}):
        log.warning(
            "%s has no access to %s, so its runs restart if that node is lost; give a folder that all nodes share (--runs-dir), so that they resume",
            ", ".join(unshared), folder,
        )  # fmt: skip


def describe() -> dict[str, str]:
    """Return the versions that must be equal on all nodes, and the name of this node."""
    from bench.core.config import RESULTS_VERSION

    commit, changed = environment.source_commit()
    code = f"{commit or 'unknown'}{' (changed)' if changed else ''}"
    names = {"ganbench": version("ganbench"), "commit": code, "results version": str(RESULTS_VERSION)}
    return {"host": socket.gethostname(), **names, **{name: version(name) for name in ("torch", "torchvision", "numpy")}}


def _query_nodes(ray: Any, folder: Path) -> list[dict[str, Any]]:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    existing = next(path for path in (folder, *folder.parents) if path.is_dir())
    with tempfile.NamedTemporaryFile(dir=existing, prefix=".ganbench-") as token:
        query = ray.remote(num_cpus=0, max_retries=0)(_describe)
        reports = [
            query.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote(token.name)
            for node in live_nodes(ray)
        ]
        try:
            return list(ray.get(reports, timeout=CHECK_SECONDS))
        except Exception as error:  # Ray raises many kinds
            raise UserError(
                f"a node of the cluster does not report its versions: {one_line(error, most=300)}; check that ganbench is installed on every node"
            ) from error


def _describe(token: str) -> dict[str, Any]:
    """Return the versions of a node, and whether it has access to a file of the driver. Ray calls this function on the node."""
    return {**describe(), "shared": Path(token).exists()}


def _resources(resources: dict[str, float]) -> str:
    return f"{resources.get('CPU', 0):g} core(s), {resources.get('GPU', 0):g} GPU, {resources.get('memory', 0) / GB:.1f} GB"
