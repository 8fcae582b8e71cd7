"""Precision of the forward pass and of float32 products."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bench.training.precision import float32_products, forward_precision, full_precision

CPU = torch.device("cpu")


@pytest.mark.parametrize(("precision", "expected"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_forward_precision(precision: str, expected: torch.dtype) -> None:
    layer = nn.Linear(3, 2)
    with forward_precision(precision, CPU):  # type: ignore[arg-type]
        assert layer(torch.ones(1, 3)).dtype == expected
        with full_precision(CPU):
            assert layer(torch.ones(1, 3)).dtype == torch.float32
    assert layer.weight.dtype == torch.float32


def test_products_are_in_tf32_only_inside() -> None:
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    with float32_products(tf32=True):
        assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == ("high", True)
        with float32_products(tf32=False):
            assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == ("highest", False)
        assert torch.get_float32_matmul_precision() == "high"
    assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == before
