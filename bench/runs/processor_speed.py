"""A short measurement of the processor: matrix products and convolutions as training does them, in float32 and bf16, in both memory formats."""

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
PASSES = 2  # of each contender in a round
BATCH = 128  # real and generated images, 64 each: a discriminator sees them at once
FEATURES = (784, 1024, 512)  # of two linear layers, as the discriminators of MLPs have them
CHANNELS, SIDE = 32, 14  # of a convolution and its transpose, as a narrow DCGAN has them
_CPU = torch.device("cpu")
_FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def measure_products(precisions: tuple[Precision, ...]) -> dict[str, float]:
    """The seconds of two linear layers, forward and backward, on one thread, for each precision."""
    return _measured({precision: partial(_linear, precision) for precision in precisions})


def measure_convolutions(precisions: tuple[Precision, ...]) -> dict[str, float]:
    """The seconds of a convolution and a transposed one in channels last, forward and backward, on one thread, for each precision."""
    return _measured({precision: partial(_convolution, precision, "channels_last") for precision in precisions})


def measure_formats(precision: Precision) -> dict[str, float]:
    """The seconds of the same convolutions at one precision, for each memory format."""
    return _measured({name: partial(_convolution, precision, name) for name in _FORMATS})


def _measured(contenders: Mapping[str, Callable[[], Callable[[], None]]]) -> dict[str, float]:
    """The median seconds of a pass of each, on the clock of this process: time that other processes take does not count.

    They take turns, so that what else other processes do (to caches, to the frequency) meets all of them.
    """
    keep_freed_memory()  # as `run` does
    with limited_threads(1), random_streams.seeded(0, random_streams.INIT):
        passes = {name: make() for name, make in contenders.items()}
        for once in passes.values():  # kernels are made when first used
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
            made = network(data)
        made.float().mean().backward()

    return once
