"""Autocast around a forward pass, and the way out of it for what must be float32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal

import torch

Precision = Literal["fp32", "bf16"]


def forward_precision(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """A fresh context for one forward pass: bf16 autocast with float32 weights, or nothing.

    Never hold one across an optimiser step: it caches bf16 copies of the weights, which would go stale.
    """
    if precision == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """Inside, autocast is off: penalties differentiate twice and want float32. Their inputs must be `.float()` too."""
    return torch.autocast(device.type, enabled=False)


@contextmanager
def float32_products(*, tf32: bool) -> Iterator[None]:
    """Context manager in which float32 matrix products and convolutions on CUDA are in TF32, or in full float32.

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
