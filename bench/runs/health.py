"""Health of a training run: what its logged curve shows to be wrong, said in words. Pure functions, no torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

WINDOW = 10  # logged points that a judgement looks at
TOO_STRONG = 0.1  # a loss under this
LEAST = 1e-12  # of a probability whose logarithm is taken
VANISHED = 0.02  # a gradient norm under this fraction of the run's own early one; sound runs stay above a fifth of it

D_TOO_STRONG = "D too strong"
G_TOO_STRONG = "G too strong"
VANISHING = "vanishing generator gradient"
NON_FINITE = "non-finite"

Marks = Sequence[Mapping[str, float]]  # the logged points of a run: "images" and its scalars, keyed without a prefix


@dataclass(frozen=True, kw_only=True)
class Flag:
    """One thing that is wrong at the end of a run, and since when."""

    flag: str
    since_images: int
    message: str


def flags(marks: Marks, *, log_odds: bool) -> list[Flag]:
    """What is wrong with a run. A condition that held for a while and passed is not reported; not-a-number always is.

    The balance of the players is judged only where logits are log-odds: elsewhere a small loss means nothing.
    """
    balance = [discriminator_too_strong(marks), generator_too_strong(marks)] if log_odds else []
    found = [*balance, vanishing_gradient(marks), non_finite(marks)]
    return [flag for flag in found if flag is not None]


def discriminator_too_strong(marks: Marks) -> Flag | None:
    """The mean over the last 10 points of -log p(real) - log(1 - p(fake)) is under 0.1.

    It is read from p(real) and p(fake), so it means the same whatever else, a constant or another term, is in the loss.
    """
    since = _held_since(_sureness(marks), lambda window: fmean(window) < TOO_STRONG)
    if since is None:
        return None
    message = f"-log p(real) - log(1 - p(fake)) has been under {TOO_STRONG}: G learns little from a sure D"
    return Flag(flag=D_TOO_STRONG, since_images=since, message=message)


def generator_too_strong(marks: Marks) -> Flag | None:
    """The mean of the last 10 generator losses is under 0.1, as the non-saturating loss -log p(fake) counts.

    It is read from p(fake), so it means the same for the minimax loss, whose own value is below zero at all times.
    """
    since = _held_since(_column(marks, "p_fake"), lambda window: fmean(window) > math.exp(-TOO_STRONG))
    if since is None:
        return None
    return Flag(
        flag=G_TOO_STRONG, since_images=since, message=f"-log p(fake) has been under {TOO_STRONG}: D takes generated images for real"
    )


def vanishing_gradient(marks: Marks) -> Flag | None:
    """The median gradient norm of G over the last 10 points is under 2 % of the largest over the first 10.

    A saturating loss against a sure discriminator does this: Arjovsky and Bottou 2017, arXiv 1701.04862, theorem 2.4.
    Relative to the run itself, because norms depend on the network and the loss; to the largest, because a gradient may vanish
    within those first points already.
    """
    norms = _column(marks, "grad_norm_g")
    if len(norms) < WINDOW:
        return None
    early = max(value for _, value in norms[:WINDOW])
    since = _held_since(norms, lambda window: median(window) <= VANISHED * early)
    if since is None:
        return None
    return Flag(flag=VANISHING, since_images=since, message=f"G's gradient norm has been under {VANISHED:.0%} of its early {early:.3g}")


def non_finite(marks: Marks) -> Flag | None:
    """Some logged scalar is infinite or not a number."""
    for mark in marks:
        for name, value in mark.items():
            if not math.isfinite(value):
                return Flag(flag=NON_FINITE, since_images=int(mark["images"]), message=f"{name} is {value}")
    return None


def _sureness(marks: Marks) -> list[tuple[int, float]]:
    """(images, D's cross-entropy at the mean probabilities) of the marks that have both."""
    real, fake = dict(_column(marks, "p_real")), dict(_column(marks, "p_fake"))
    return [(images, -math.log(max(real[images], LEAST)) - math.log(max(1.0 - fake[images], LEAST))) for images in real if images in fake]


def _column(marks: Marks, name: str) -> list[tuple[int, float]]:
    """(images, value) of the marks that have a finite scalar of that name."""
    return [(int(mark["images"]), mark[name]) for mark in marks if math.isfinite(mark.get(name, math.nan))]


def _held_since(column: Sequence[tuple[int, float]], wrong: Callable[[list[float]], bool]) -> int | None:
    """From when on every window of the last 10 points was wrong, in images; None if the last one is right or incomplete."""
    since = None
    for end in range(len(column), WINDOW - 1, -1):
        window = column[end - WINDOW : end]
        if not wrong([value for _, value in window]):
            break
        since = window[-1][0]
    return since
