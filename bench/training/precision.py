"""Autocast for a forward pass, and context managers for code that needs float32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal

import torch

Precision = Literal["fp32", "bf16"]


def forward_precision(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """Return a new context manager for one forward pass: bf16 autocast with float32 weights, or no change.

    Do not keep it open during an optimiser step: it caches bf16 copies of the weights, which become stale.
    """
    if precision == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """Context manager that turns autocast off. Penalties differentiate twice, so they and their inputs need float32."""
    return torch.autocast(device.type, enabled=False)


@contextmanager
def float32_products(*, tf32: bool) -> Iterator[None]:
    """Context manager in which float32 products and convolutions on CUDA use TF32, or full float32.

    torch's own default is mixed: products in full float32 and convolutions in TF32.
    """
    before, convolutions = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    torch.backends.cudnn.allow_tf32 = tf32
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
        torch.backends.cudnn.allow_tf32 = convolutions
