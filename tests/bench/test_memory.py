"""Memory of the process."""

from __future__ import annotations

import sys

import torch

from bench.memory import forget_peak_memory, keep_freed_memory, peak_memory_mb


def test_freed_memory_is_kept_on_linux() -> None:
    assert keep_freed_memory() == sys.platform.startswith("linux")


def test_peak_memory_grows_with_what_is_touched() -> None:
    before = peak_memory_mb(torch.device("cpu"))
    block = torch.ones(int(before + 300) * 2**20 // 4)  # more than there was, and touched
    assert peak_memory_mb(torch.device("cpu")) >= before + 200
    del block


def test_a_peak_can_be_forgotten() -> None:
    cpu = torch.device("cpu")
    before = peak_memory_mb(cpu)
    block = torch.ones(int(before + 300) * 2**20 // 4)
    del block
    high = peak_memory_mb(cpu)
    if forget_peak_memory(cpu):  # not every container allows it
        assert peak_memory_mb(cpu) < high - 100
