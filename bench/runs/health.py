"""Health flags of a training run, computed from its logged curve by pure functions without torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

WINDOW = 10  # logged points in one decision
TOO_STRONG = 0.1  # threshold of a loss
LEAST = 1e-12  # lower bound of a probability before its logarithm
VANISHED = 0.02  # threshold of a gradient norm, relative to the early norm of the run

D_TOO_STRONG = "D too strong"
G_TOO_STRONG = "G too strong"
VANISHING = "vanishing generator gradient"
NON_FINITE = "non-finite"

Marks = Sequence[
    Mapping[str, float]
]  # logged points of a run, one for each mark (see `bench.runs.recorder`): "images" and scalars, by key without prefix


@dataclass(frozen=True, kw_only=True)
class Flag:
    """Problem at the end of a run, and the number of images at its start."""

    flag: str
    since_images: int
    message: str


def flags(marks: Marks, *, log_odds: bool) -> list[Flag]:
    """Return the flags of a run. A temporary problem is not reported, but a value that is not finite always is.

    The balance of the players is checked only if logits are log-odds. Otherwise a small loss has no meaning.
    """
    balance = [discriminator_too_strong(marks), generator_too_strong(marks)] if log_odds else []
    found = [*balance, vanishing_gradient(marks), non_finite(marks)]
    return [flag for flag in found if flag is not None]


def discriminator_too_strong(marks: Marks) -> Flag | None:
    """Flag a mean of -log p(real) - log(1 - p(fake)) under 0.1 over the last 10 points.

    The mean is computed from p(real) and p(fake). So further terms and constants of the loss do not change it.
    """
    since = _wrong_since(_cross_entropy(marks), lambda window: fmean(window) < TOO_STRONG)
    if since is None:
        return None
    message = f"-log p(real) - log(1 - p(fake)) has been under {TOO_STRONG}: G learns little from a confident D"
    return Flag(flag=D_TOO_STRONG, since_images=since, message=message)


def generator_too_strong(marks: Marks) -> Flag | None:
    """Flag a mean of the non-saturating loss -log p(fake) under 0.1 over the last 10 points.

    The mean is computed from p(fake). So it also works for the minimax loss, whose own value is always negative.
    """
    since = _wrong_since(_column(marks, "p_fake"), lambda window: fmean(window) > math.exp(-TOO_STRONG))
    if since is None:
        return None
    return Flag(
        flag=G_TOO_STRONG, since_images=since, message=f"-log p(fake) has been under {TOO_STRONG}: D takes generated images for real"
    )


def vanishing_gradient(marks: Marks) -> Flag | None:
    """Flag a median gradient norm of G over the last 10 points of at most 2 % of the largest norm over the first 10.

    A saturating loss with a confident discriminator causes it: Arjovsky and Bottou 2017, arXiv 1701.04862, theorem 2.4.
    The threshold is relative to the run itself, because norms depend on the network and the loss. It uses the largest of the first 10 norms,
    because the gradient may vanish within those points.
    """
    norms = _column(marks, "grad_norm_g")
    if len(norms) < WINDOW:
        return None
    early = max(value for _, value in norms[:WINDOW])
    since = _wrong_since(norms, lambda window: median(window) <= VANISHED * early)
    if since is None:
        return None
    return Flag(flag=VANISHING, since_images=since, message=f"G's gradient norm has been under {VANISHED:.0%} of its early {early:.3g}")


def non_finite(marks: Marks) -> Flag | None:
    """Flag a logged scalar that is infinite or NaN."""
    for mark in marks:
        for name, value in mark.items():
            if not math.isfinite(value):
                return Flag(flag=NON_FINITE, since_images=int(mark["images"]), message=f"{name} is {value}")
    return None


def _cross_entropy(marks: Marks) -> list[tuple[int, float]]:
    """Return images and the cross-entropy of D at the mean probabilities, for the points that have both probabilities."""
    real, fake = dict(_column(marks, "p_real")), dict(_column(marks, "p_fake"))
    return [(images, -math.log(max(real[images], LEAST)) - math.log(max(1.0 - fake[images], LEAST))) for images in real if images in fake]


def _column(marks: Marks, name: str) -> list[tuple[int, float]]:
    """Return images and value of the points that have a finite scalar of this name."""
    return [(int(mark["images"]), mark[name]) for mark in marks if math.isfinite(mark.get(name, math.nan))]


def _wrong_since(column: Sequence[tuple[int, float]], wrong: Callable[[list[float]], bool]) -> int | None:
    """Return the images since which every window of 10 points is wrong, or None if the last window is not wrong or is incomplete."""
    since = None
    for end in range(len(column), WINDOW - 1, -1):
        window = column[end - WINDOW : end]
        if not wrong([value for _, value in window]):
            break
        since = window[-1][0]
    return since
