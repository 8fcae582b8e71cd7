"""The table of ready suites."""

from __future__ import annotations

from bench.suite import CONTROLLED, SUITES, Entry, Suite

# The slowest first, so that no core waits long at the end.
CORE = ("mlp-dropout", "wgan-gp", "dcgan", "lsgan", "vanilla", "ns-gan", "wgan", "label-smoothed")
CONVOLUTIONAL = ("dcgan", "lsgan", "wgan", "wgan-gp")
# Learning rates (G, D) that fit a short budget: with k = 5 it leaves few generator updates. Recorded, and said in the report.
FASTER = {"wgan": (2e-3, 5e-4), "wgan-gp": (1e-3, 1e-3)}
# Every number that a loss or its regulariser does not need, the same for all: DCGAN's, whose D has no batch norm because the gradient penalty cannot have it.
CONTROLLED_RECIPE = {
    "recipe.width": 16, "recipe.norm_d": "none", "recipe.init": "default", "recipe.z_dim": 100, "recipe.z_distribution": "normal",
    "recipe.batch_size": 64, "recipe.k": 1, "recipe.optimiser": "adam", "recipe.betas": (0.5, 0.999), "recipe.lr_g": 2e-4, "recipe.lr_d": 2e-4,
    "recipe.schedule": "constant", "recipe.ema_half_life_images": 0,
}  # fmt: skip


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
    "losses",
    Suite(
        name="losses",
        idea="controlled: six losses on one narrow DCGAN without batch norm in D; nothing else differs",
        entries=(
            Entry(variant="wgan-gp", settings={"recipe.gp": 10.0}, note="Wasserstein with gradient penalty 10"),
            Entry(variant="vanilla", note="minimax"),
            Entry(variant="ns-gan", note="non-saturating"),
            Entry(variant="label-smoothed", settings={"recipe.real_label": 0.9}, note="non-saturating, real label 0.9"),
            Entry(variant="lsgan", note="least squares"),
            Entry(variant="wgan", settings={"recipe.clip": 0.01}, note="Wasserstein with weights clipped at 0.01"),
        ),
        settings={**CONTROLLED_RECIPE, "networks": "dcgan", "budget.images": 100_000, "evaluation.marks": 2},
        track=CONTROLLED,
    ),
)
SUITES.register(
    "standard",
    Suite(
        name="standard",
        idea="published recipes at their published widths, 100 epochs, best and last checkpoint: for a GPU, or days of CPU",
        entries=tuple(Entry(variant=name) for name in CORE),
        datasets=("fashion-mnist",),
        seeds=(0, 1, 2, 3, 4),
        settings={"budget.images": 100 * 60_000, "evaluation.marks": 19, "evaluation.best": True},
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
