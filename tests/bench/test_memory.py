"""Memory of the process."""

from __future__ import annotations

import sys

import torch

from bench.memory import keep_freed_memory, peak_memory_mb


def test_freed_memory_is_kept_on_linux() -> None:
    assert keep_freed_memory() == sys.platform.startswith("linux")


def test_peak_memory_grows_with_what_is_touched() -> None:
    before = peak_memory_mb(torch.device("cpu"))
    block = torch.ones(int(before + 300) * 2**20 // 4)  # more than there was, and touched
    assert peak_memory_mb(torch.device("cpu")) >= before + 200
    del block
