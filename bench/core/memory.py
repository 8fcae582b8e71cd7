"""Memory of this process: the settings of glibc, and the peak."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from pathlib import Path

import torch

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_NEVER = 2**31 - 1
_LARGEST_ON_HEAP = 2**30


@cache
def keep_freed_memory() -> bool:
    """Make glibc reuse the memory of freed tensors, and return whether it does. This changes no result.

    By default glibc maps large blocks for every operation and unmaps them afterwards. The first access to each new page takes
    time, which is a large share of a small network's round (docs/performance.md has the numbers).
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # another C library, e.g. musl
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _LARGEST_ON_HEAP)) and bool(mallopt(_M_TRIM_THRESHOLD, _NEVER))


def forget_peak_memory(device: torch.device) -> bool:
    """Reset peak memory and return whether the system supports that. If not, the peak is that since the start of the process."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    try:
        Path("/proc/self/clear_refs").write_text("5")  # proc(5): resets the high-water mark of resident memory
    except OSError:  # not Linux, or not allowed
        return device.type == "cuda"
    return True


def peak_memory_mb(device: torch.device) -> float:
    """Return peak memory in MB (2**20 bytes) since `forget_peak_memory`: of a CUDA device, else resident memory of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    if sys.platform == "win32":
        return float("nan")
    try:
        status = Path("/proc/self/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) / 2**10
    except (OSError, StopIteration, ValueError):
        pass  # not Linux
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
