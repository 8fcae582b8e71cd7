"""Count the floating point operations of training."""

from __future__ import annotations

from torch.utils.flop_counter import FlopCounterMode

from bench.core.config import RunConfig
from bench.core.threads import limited_threads
from bench.runs.preparation import prepare


def flops_per_image(config: RunConfig) -> float:
    """Return the operations of a round for each real image, forward and backward. torch counts products and convolutions."""
    with limited_threads(1):
        trainer = prepare(config).trainer
        with trainer.running():
            trainer.round()
            with FlopCounterMode(display=False) as counter:
                trainer.round()
    return counter.get_total_flops() / trainer.images_per_round
