"""The pixels that one logit of a discriminator depends on, by its gradient."""

from __future__ import annotations

import torch
from torch import nn


def reach(discriminator: nn.Module, side: int) -> tuple[int, int]:
    """Return the height and the width of the pixels that change the middle logit, which must be a full rectangle."""
    data = torch.randn(1, 1, side, side, dtype=torch.float64, requires_grad=True)
    logits = discriminator.double()(data).logits
    logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2].backward()
    assert data.grad is not None
    moved = data.grad[0, 0] != 0
    rows, columns = moved.any(dim=1).nonzero().flatten(), moved.any(dim=0).nonzero().flatten()
    assert moved[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
    return len(rows), len(columns)
