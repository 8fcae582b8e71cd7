"""What the processor can do at best, and what a round of training asks of it, in floating point operations."""

from __future__ import annotations

import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.assemble import prepare
from bench.config import RunConfig
from bench.precision import Precision
from bench.run import limited_threads

SIDES = (512, 1024, 2048)  # of square matrices
SECONDS = 0.4  # for each size
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def gemm_flops(precision: Precision, *, threads: int, device: torch.device) -> float:
    """Operations a second of a matrix product at this precision: the fastest of a few square sizes."""
    with limited_threads(threads), torch.no_grad():
        return max(_rate(side, DTYPES[precision], device) for side in SIDES)


def _rate(side: int, dtype: torch.dtype, device: torch.device) -> float:
    a, b = (torch.rand(side, side, device=device).to(dtype) for _ in range(2))
    out = torch.empty_like(a)
    best, ends = 0.0, time.perf_counter() + SECONDS
    while time.perf_counter() < ends:
        started = time.perf_counter()
        torch.mm(a, b, out=out)
        if device.type != "cpu":
            torch.cuda.synchronize(device)
        best = max(best, 2 * side**3 / (time.perf_counter() - started))
    return best


def flops_per_image(config: RunConfig) -> float:
    """Operations of a round, forwards and backwards, over the real images it shows to D. torch counts products and convolutions."""
    with limited_threads(1):
        trainer = prepare(config).trainer
        with trainer.running():
            trainer.round()
            with FlopCounterMode(display=False) as counter:
                trainer.round()
    return counter.get_total_flops() / trainer.images_per_round
