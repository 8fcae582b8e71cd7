"""Facts about this machine (devices, cores, precision, commit of the code), and checks of Ray, shared memory and disks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from bench.core.environment import cores, cpu_name, device_name, device_of, devices, installed, memory_gb, source_commit
from bench.core.errors import one_line
from bench.data.cache import ENVIRONMENT_VARIABLE, cache_root
from bench.runs.auto_choice import MARGIN, choice_here
from bench.scheduling.cluster import LOOPBACK

ROOM_GB = 2.0  # for runs, checkpoints and the tracking store
CACHE_GB = 0.2  # twice the size of Fashion-MNIST: unpacking needs both
FULL_GB = 0.05  # with less free space, no run can write
SHARED_GB = 0.15  # Ray stores up to 100 MiB of objects in shared memory, or on disk if that is too small
RAY_SECONDS = 90.0
_SHARED = Path("/dev/shm")
_TRY_RAY = (
    "import ray; ray.init(address='local', num_cpus=1, include_dashboard=False, object_store_memory=100 * 2**20, log_to_driver=False, logging_level=40); "
    "assert ray.get(ray.remote(lambda: 1).remote()) == 1; ray.shutdown()"
)


@dataclass(frozen=True, kw_only=True)
class Check:
    """Result of one check. `advice` is a command that solves or avoids the problem. It is empty without a problem."""

    name: str
    ok: bool
    found: str
    advice: str = ""
    needed: bool = False  # whether the check is required, so that its failure makes the exit status 1

    @property
    def mark(self) -> str:
        """Mark of the check: "ok", "NO" if a required check fails, or "--" if an optional check fails."""
        return "ok" if self.ok else "NO" if self.needed else "--"

    def as_json(self) -> dict[str, str | bool]:
        """Return the check as a JSON object."""
        return asdict(self)


def machine_facts() -> dict[str, str]:
    """Return the facts that runs record about this machine, and the meaning of `auto` on it. Writes nothing."""
    commit, dirty = source_commit()
    best = devices()[0].partition(":")[0]
    choice = choice_here(best, save=False)
    names = {"products": "matrix products", "convolutions": "convolutions"}
    speedups = {name: factor for what, name in names.items() if (factor := choice.speedup(what)) is not None}
    measured = ", ".join(f"{factor:.2f} times as fast in {name}" for name, factor in speedups.items())
    why = f"; bf16 is {measured} (required: {MARGIN:g} times in both)" if measured else ""
    return {
        "commit": commit[:12] + (" with uncommitted changes" if dirty else "") if commit else "unknown: runs record only the version",
        **{f"device {name}": f"{device_name(device_of(name))}, {_memory(name)}" for name in devices()},
        "cores": f"{cores()} usable of {os.cpu_count() or cores()} ({cpu_name()}); a run uses 1 thread; --set threads=N changes it",
        "auto": f"{choice} on {best}{why}; an experiment reuses its recorded choice",
    }


def _memory(name: str) -> str:
    """Return the memory of a device as text."""
    if name.startswith("cuda"):
        return f"{torch.cuda.get_device_properties(name).total_memory / 1e9:.0f} GB"
    if name == "mps":
        return f"{torch.mps.recommended_max_memory() / 1e9:.0f} GB of the machine's memory"
    gigabytes = memory_gb()
    return "memory unknown" if gigabytes is None else f"{gigabytes} GB"


def check_ray(*, deep: bool = False) -> Iterator[Check]:
    """Check that Ray is installed. With `deep`, also check that it starts. Ray trains several runs of a suite at once."""
    number = installed("ray")
    if number is None:
        advice = "pip install 'ganbench[parallel]', or train the runs one after another"
        yield Check(name="ray", ok=False, found="missing", advice=advice)
        return
    yield Check(name="ray", ok=True, found=number)
    if deep:
        yield _ray_starts()


def _ray_starts() -> Check:
    """Check that Ray starts and executes a task. It runs Ray in a subprocess with a timeout, because Ray can hang."""
    advice = "ganbench suite NAME --workers 1 works without Ray"
    try:
        done = subprocess.run(
            [sys.executable, "-c", _TRY_RAY],
            env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0", LOOPBACK: "0"},
            capture_output=True,
            text=True,
            timeout=RAY_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Check(name="ray starts", ok=False, found=f"does not start within {RAY_SECONDS:g} s", advice=advice)
    if done.returncode == 0:
        return Check(name="ray starts", ok=True, found="yes, and executes a task")
    last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    return Check(name="ray starts", ok=False, found=one_line(last), advice=advice)


def check_shared_memory() -> Iterator[Check]:
    """Check the size of shared memory, where Ray stores objects. Containers often have only 64 MB."""
    if installed("ray") is None or not _SHARED.is_dir():
        return
    size = shutil.disk_usage(_SHARED).total / 1e9
    ok = size >= SHARED_GB
    advice = "" if ok else "docker run --shm-size=2g; with less shared memory, parallel runs are slightly slower"
    yield Check(name="shared memory", ok=ok, found=f"{_SHARED} has {size:.2f} GB", advice=advice)


def check_disks() -> Iterator[Check]:
    """Check the free disk space for the working folder, for the cache folder and for temporary files."""
    yield check_disk("disk", Path.cwd(), ROOM_GB, "cd to a folder on another disk")
    yield check_disk("disk of the cache", cache_root(), CACHE_GB, f"export {ENVIRONMENT_VARIABLE}=FOLDER")
    yield check_disk("disk for temporary files", Path(tempfile.gettempdir()), CACHE_GB, "export TMPDIR=FOLDER")


def check_disk(name: str, folder: Path, room_gb: float, elsewhere: str) -> Check:
    """Check the free disk space for a folder, or for its nearest existing parent."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free / 1e9
    ok = free >= room_gb
    advice = "" if ok else f"free {room_gb:g} GB, or {elsewhere}"
    return Check(name=name, ok=ok, needed=ok or free < FULL_GB, found=f"{free:.1f} GB free in {folder}", advice=advice)
