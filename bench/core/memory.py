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
    """Make glibc keep the memory that tensors free, and return whether it does. Changes no number.

    By default glibc maps a block of some MB for every operation and unmaps it afterwards. Touching its pages for the first
    time then costs more than the arithmetic of a small network (10-20 % of a round of the MLPs here).
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # another C library, e.g. musl
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _LARGEST_ON_HEAP)) and bool(mallopt(_M_TRIM_THRESHOLD, _NEVER))


def forget_peak_memory(device: torch.device) -> bool:
    """Reset peak memory, for a process may do several runs; return whether the system can. Else the peak is that of the process."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    try:
        Path("/proc/self/clear_refs").write_text("5")  # proc(5): resets the high-water mark of resident memory
    except OSError:  # not Linux, or not allowed
        return device.type == "cuda"
    return True


def peak_memory_mb(device: torch.device) -> float:
    """Peak memory since `forget_peak_memory`: of the device for CUDA, else resident memory of this process."""
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
