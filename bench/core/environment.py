"""The machine of a run: devices, cores, versions, hardware and the commit of the code."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import torch

from bench.core.errors import UserError, nearest

Fact = str | int | bool | None

PACKAGES = ("torch", "torchvision", "numpy", "mlflow", "torch-fidelity", "ganbench")
_CPU_BF16 = ("avx512_bf16", "amx_bf16")  # instructions that multiply bf16, as torch names them
_GIT_SECONDS = 10.0


def devices() -> list[str]:
    """Return the devices of this machine that torch can use, the best first."""
    found = [f"cuda:{index}" for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    return [*found, *(["mps"] if torch.backends.mps.is_available() else []), "cpu"]


def has_device(name: str) -> bool:
    """Return whether this machine has the device of that name."""
    here = devices()
    return name in here or (name == "cuda" and "cuda:0" in here)


def chosen_device(name: str) -> str:
    """Resolve a device name: `auto` is this machine's best device. `cuda` gets no index, so a run has the same identity on every GPU."""
    if name == "auto":
        return devices()[0].partition(":")[0]
    if not has_device(name):
        raise UserError(f"there is no device {name!r} on this machine" + nearest(name, devices()))
    return name


def device_of(name: str) -> torch.device:
    """Return the torch device of a name. `chosen_device` resolves the name."""
    return torch.device(chosen_device(name))


def native_bf16(device: torch.device) -> bool:
    """Return whether the device multiplies bf16 in hardware. The result is False if this is unknown, because emulation is slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and _cpu_has_bf16()


@cache
def instruction_sets() -> tuple[str, ...]:
    """Return the instruction sets of this processor by torch's names. The result is empty if this version of torch does not list them."""
    table = getattr(torch.cpu, "get_capabilities", None)
    return tuple(sorted(name for name, available in table().items() if available is True)) if table is not None else ()


@cache
def _cpu_has_bf16() -> bool:
    """Return whether torch lists bf16 instructions: in its table of capabilities, or by a private function of older versions."""
    table = getattr(torch.cpu, "get_capabilities", None)
    private = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    try:
        if table is not None:
            found = table()
            return any(bool(found.get(name)) for name in _CPU_BF16)
        return bool(private()) if private is not None else False
    except (AttributeError, RuntimeError, TypeError):
        return False


def synchronise(device: torch.device) -> None:
    """Wait until the device finishes all queued work. It does nothing on the CPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def cores() -> int:
    """Return the number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpus() -> int:
    """Return the number of CUDA devices of this machine that torch can use."""
    return sum(name.startswith("cuda") for name in devices())


def describe(device: torch.device, *, threads: int, precision: Literal["fp32", "bf16"]) -> dict[str, Fact]:
    """Return the content of environment.json: hardware, versions and commit of a run, without any path of this machine."""
    commit, dirty = source_commit()
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": cpu_name(),
        "cores": cores(),
        "memory_gb": memory_gb(),
        "device": str(device),
        "device_name": device_name(device),
        "threads": threads,
        "precision": precision,
        "native_bf16": native_bf16(device),
        **{package.replace("-", "_"): installed(package) for package in PACKAGES},
        "commit": commit,
        "dirty": dirty,
    }


def installed(package: str) -> str | None:
    """Return the version of an installed distribution, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def device_name(device: torch.device) -> str:
    """Return the manufacturer's name of a device's model."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name()


@cache
def cpu_name() -> str:
    """Return the processor's model."""
    try:
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()


def memory_gb() -> int | None:
    """Return the machine's memory in GB (10^9 bytes), or None if the system does not report it."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9)
    except (AttributeError, ValueError, OSError):
        return None


@cache
def source_commit() -> tuple[str | None, bool | None]:
    """Return (commit, whether files are changed or new) of the checkout of this code, or (None, None) outside git."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():  # installed in site-packages: a repository further up belongs to another project
        return None, None
    commit = _git(root, "rev-parse", "HEAD")
    changes = _git(root, "status", "--porcelain")
    return commit, None if commit is None or changes is None else bool(changes)


def _git(root: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, timeout=_GIT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
