"""The table of ready suites."""

from __future__ import annotations

from bench.suite import SUITES, Entry, Suite

# The slowest first, so that no core waits long at the end.
CORE = ("mlp-dropout", "wgan-gp", "dcgan", "lsgan", "vanilla", "ns-gan", "wgan", "label-smoothed")
CONVOLUTIONAL = ("dcgan", "lsgan", "wgan", "wgan-gp")
# Learning rates (G, D) that fit a short budget: with k = 5 it leaves few generator updates. Recorded, and said in the report.
FASTER = {"wgan": (2e-3, 5e-4), "wgan-gp": (1e-3, 1e-3)}


def _core(conv_width: int) -> tuple[Entry, ...]:
    """The eight core variants, convolutions narrowed, and the two k = 5 recipes at rates that fit a short budget."""
    return tuple(_entry(name, conv_width) for name in CORE)


def _entry(name: str, conv_width: int) -> Entry:
    settings: dict[str, float] = {"recipe.width": conv_width} if name in CONVOLUTIONAL else {}
    if name not in FASTER:
        return Entry(variant=name, settings=settings)
    lr_g, lr_d = FASTER[name]
    note = (
        f"learning rates {lr_g:g} (G) and {lr_d:g} (D) instead of the published: with k = 5 this budget leaves so few generator "
        "updates that the published rates teach it nothing"
    )
    return Entry(variant=name, settings=settings | {"recipe.lr_g": lr_g, "recipe.lr_d": lr_d}, note=note)


SUITES.register(
    "quick",
    Suite(
        name="quick",
        idea="the eight core variants in ten minutes on two cores",
        entries=_core(16),
        settings={"budget.images": 100_000, "evaluation.marks": 2},
    ),
)
SUITES.register(
    "smoke",
    Suite(
        name="smoke",
        idea="does everything work: the eight core variants on the embedded digits, seconds a run",
        entries=_core(16),
        datasets=("digits",),
        seeds=(0, 1),
        settings={"budget.images": 30_000, "evaluation.marks": 1},
    ),
)
