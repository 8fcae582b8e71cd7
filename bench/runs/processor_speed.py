"""Short benchmark of the processor: matrix products and convolutions as in training, at both precisions and in both memory formats."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import nn

from bench.core import random_streams
from bench.core.memory import keep_freed_memory
from bench.core.threads import limited_threads
from bench.training.precision import Precision, forward_precision

ROUNDS = 5
PASSES = 2  # of each candidate in a round
BATCH = 128  # 64 real and 64 generated images, one batch of a discriminator
FEATURES = (784, 1024, 512)  # of two linear layers, as in the discriminators of MLPs
CHANNELS, SIDE = 32, 14  # of a convolution and its transpose, as in a narrow DCGAN
_CPU = torch.device("cpu")
_FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def measure_products(precisions: tuple[Precision, ...]) -> dict[str, float]:
    """Return the seconds of a pass through two linear layers, forward and backward, on one thread, for each precision."""
    return _measure({precision: partial(_linear, precision) for precision in precisions})


def measure_convolutions(precisions: tuple[Precision, ...]) -> dict[str, float]:
    """Return the seconds of a pass through a convolution and a transposed convolution in channels last, for each precision."""
    return _measure({precision: partial(_convolution, precision, "channels_last") for precision in precisions})


def measure_formats(precision: Precision) -> dict[str, float]:
    """Return the seconds of the same convolutions at one precision, for each memory format."""
    return _measure({name: partial(_convolution, precision, name) for name in _FORMATS})


def _measure(candidates: Mapping[str, Callable[[], Callable[[], None]]]) -> dict[str, float]:
    """Return the median seconds of one pass of each candidate, in CPU time of this process.

    The candidates alternate, so that effects of other processes on caches and frequency are the same for all.
    """
    keep_freed_memory()  # as `run` does
    with limited_threads(1), random_streams.seeded(0, random_streams.INIT):
        passes = {name: make() for name, make in candidates.items()}
        for once in passes.values():  # the first pass is slower, because torch creates its kernels
            once()
        found: dict[str, list[float]] = {name: [] for name in passes}
        for _ in range(ROUNDS):
            for name, once in passes.items():
                started = time.process_time()
                for _ in range(PASSES):
                    once()
                found[name].append((time.process_time() - started) / PASSES)
    return {name: statistics.median(seconds) for name, seconds in found.items()}


def _linear(precision: Precision) -> Callable[[], None]:
    first, hidden, last = FEATURES
    network = nn.Sequential(nn.Linear(first, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, last))
    return _pass(network, torch.randn(BATCH, first), precision)


def _convolution(precision: Precision, memory_format: str) -> Callable[[], None]:
    layout = _FORMATS[memory_format]
    down = nn.Conv2d(CHANNELS, 2 * CHANNELS, 4, stride=2, padding=1)
    up = nn.ConvTranspose2d(2 * CHANNELS, CHANNELS, 4, stride=2, padding=1)
    network = nn.Sequential(down, nn.LeakyReLU(0.2), up).to(memory_format=layout)
    return _pass(network, torch.randn(BATCH, CHANNELS, SIDE, SIDE).contiguous(memory_format=layout), precision)


def _pass(network: nn.Module, data: torch.Tensor, precision: Precision) -> Callable[[], None]:
    def once() -> None:
        with forward_precision(precision, _CPU):
            output = network(data)
        output.float().mean().backward()

    return once
