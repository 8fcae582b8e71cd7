"""The machine itself: what it is (devices, cores, precision, the commit of the code), and checks of Ray, memory and disks."""

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

ROOM_GB = 2.0  # where runs, checkpoints and the tracking store go
CACHE_GB = 0.2  # Fashion-MNIST, and as much again while it is unpacked
FULL_GB = 0.05  # under this nothing can be written that matters
SHARED_GB = 0.15  # a suite lets Ray keep 100 MiB of objects in shared memory; they go to disk where that is too small
RAY_SECONDS = 90.0
_SHARED = Path("/dev/shm")
_TRY_RAY = (
    "import ray; ray.init(address='local', num_cpus=1, include_dashboard=False, object_store_memory=100 * 2**20, log_to_driver=False, logging_level=40); "
    "assert ray.get(ray.remote(lambda: 1).remote()) == 1; ray.shutdown()"
)


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing looked at. `advice` is empty where all is well and nothing could be better; else it holds a command."""

    name: str
    ok: bool
    found: str
    advice: str = ""
    needed: bool = False  # whether nothing works without it: only such a one makes doctor fail

    @property
    def mark(self) -> str:
        """ok, -- for something optional that is not there, NO for something needed."""
        return "ok" if self.ok else "NO" if self.needed else "--"

    def as_json(self) -> dict[str, str | bool]:
        """The check as a JSON object."""
        return asdict(self)


def machine_facts() -> dict[str, str]:
    """What runs record of this machine and what `auto` means here, with the figures that decide it. Writes nothing."""
    commit, dirty = source_commit()
    best = devices()[0].partition(":")[0]
    choice = choice_here(best, save=False)
    speedups = {what: factor for what in ("products", "convolutions") if (factor := choice.speedup(what)) is not None}
    measured = ", ".join(f"{factor:.2f} times as fast in {what}" for what, factor in speedups.items())
    why = f"; bf16 is {measured}, and takes {MARGIN:g} times in both" if measured else ""
    return {
        "commit": commit[:12] + (" with uncommitted changes" if dirty else "") if commit else "not known: runs record the version alone",
        **{f"device {name}": f"{device_name(device_of(name))}, {_memory(name)}" for name in devices()},
        "cores": f"{cores()} usable of {os.cpu_count() or cores()} ({cpu_name()}); a run computes with 1 thread unless threads=N is set",
        "auto": f"{choice} on {best}{why}; an experiment keeps what it has recorded",
    }


def _memory(name: str) -> str:
    """The memory of a device, in words."""
    if name.startswith("cuda"):
        return f"{torch.cuda.get_device_properties(name).total_memory / 1e9:.0f} GB"
    if name == "mps":
        return f"{torch.mps.recommended_max_memory() / 1e9:.0f} GB of the machine's"
    gigabytes = memory_gb()
    return "memory not known" if gigabytes is None else f"{gigabytes} GB"


def check_ray(*, deep: bool = False) -> Iterator[Check]:
    """Ray, which runs a suite's runs side by side; started only if asked to be."""
    number = installed("ray")
    if number is None:
        advice = "pip install 'ganbench[parallel]', or runs go one after another"
        yield Check(name="ray", ok=False, found="missing", advice=advice)
        return
    yield Check(name="ray", ok=True, found=number)
    if deep:
        yield _started_ray()


def _started_ray() -> Check:
    """Whether Ray starts and does a task, in a process of its own: one that hangs is ended."""
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
        return Check(name="ray starts", ok=False, found=f"not within {RAY_SECONDS:g} s", advice=advice)
    if done.returncode == 0:
        return Check(name="ray starts", ok=True, found="yes, and does a task")
    last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    return Check(name="ray starts", ok=False, found=one_line(last), advice=advice)


def check_shared_memory() -> Iterator[Check]:
    """Shared memory, which Ray keeps objects in; containers often have 64 MB."""
    if installed("ray") is None or not _SHARED.is_dir():
        return
    size = shutil.disk_usage(_SHARED).total / 1e9
    ok = size >= SHARED_GB
    advice = "" if ok else "docker run --shm-size=2g, or runs side by side are a little slower"
    yield Check(name="shared memory", ok=ok, found=f"{_SHARED} has {size:.2f} GB", advice=advice)


def check_disks() -> Iterator[Check]:
    """Room in the working folder, in the data cache and for temporary files."""
    yield check_disk("disk", Path.cwd(), ROOM_GB, "work in another folder: cd")
    yield check_disk("disk of the cache", cache_root(), CACHE_GB, f"export {ENVIRONMENT_VARIABLE}=FOLDER")
    yield check_disk("disk for temporary files", Path(tempfile.gettempdir()), CACHE_GB, "export TMPDIR=FOLDER")


def check_disk(name: str, folder: Path, room_gb: float, elsewhere: str) -> Check:
    """Free room in a folder, or in the one that it would be made in."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free / 1e9
    ok = free >= room_gb
    advice = "" if ok else f"have {room_gb:g} GB free, or {elsewhere}"
    return Check(name=name, ok=ok, needed=ok or free < FULL_GB, found=f"{free:.1f} GB free in {folder}", advice=advice)
