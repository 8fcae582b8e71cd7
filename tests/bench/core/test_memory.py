"""Tests of the memory functions of the process."""

from __future__ import annotations

import sys
from mmap import mmap

import torch

from bench.core.memory import forget_peak_memory, keep_freed_memory, peak_memory_mb

CPU = torch.device("cpu")


def test_freed_memory_is_kept_on_linux() -> None:
    assert keep_freed_memory() == sys.platform.startswith("linux")


def test_peak_memory_grows_with_what_is_touched() -> None:
    forgotten = forget_peak_memory(CPU)  # some containers do not allow a reset
    before = peak_memory_mb(CPU)
    block = touched(300 if forgotten else int(before) + 300)
    assert peak_memory_mb(CPU) >= before + 200
    del block


def test_a_peak_can_be_forgotten() -> None:
    block = touched(300)
    with_block = peak_memory_mb(CPU)
    del block
    if forget_peak_memory(CPU):
        assert peak_memory_mb(CPU) < with_block - 200


def touched(megabytes: int) -> torch.Tensor:
    """Return newly mapped memory with every page written. It does not reuse memory that was freed before."""
    return torch.frombuffer(mmap(-1, megabytes * 2**20), dtype=torch.uint8).fill_(1)
