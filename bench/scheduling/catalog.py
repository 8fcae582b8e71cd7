"""Built-in suites."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bench.core.random_streams import TRAINING
from bench.scheduling.suite import CONTROLLED, SUITES, Entry, Suite

# The slowest variants are first, so that no core is idle for long at the end.
CORE = ("mlp-dropout", "wgan-gp", "dcgan", "lsgan", "vanilla", "ns-gan", "wgan", "label-smoothed")
CONVOLUTIONAL = ("dcgan", "lsgan", "wgan", "wgan-gp")
# Learning rates (G, D) for a short budget, in which k = 5 gives few generator updates. Each run records these rates, and a note in the report names them.
FASTER = {"wgan": (2e-3, 5e-4), "wgan-gp": (1e-3, 1e-3)}
# Settings that are equal for all losses. They are those of DCGAN without batch norm in D, because of the gradient penalty.
CONTROLLED_RECIPE = {
    "recipe.width": 16, "recipe.norm_d": "none", "recipe.init": "default", "recipe.z_dim": 100, "recipe.z_distribution": "normal",
    "recipe.batch_size": 64, "recipe.k": 1, "recipe.optimiser": "adam", "recipe.betas": (0.5, 0.999), "recipe.lr_g": 2e-4, "recipe.lr_d": 2e-4,
    "recipe.schedule": "constant", "recipe.ema_half_life_images": 0,
}  # fmt: skip

# Other variants with narrow networks. Each further change of a recipe for the short budget has a note with its reason.
NARROW = (
    "lsgan-sigmoid", "hinge-gan", "rsgan", "rasgan", "fgan-kl", "fgan-reverse-kl", "fgan-pearson", "fgan-squared-hellinger", "fgan-jensen-shannon",
    "label-noise", "dragan", "gan-r1", "gan-r2", "rpgan-r1-r2", "ttur", "lecam-gan", "cr-gan", "diffaugment-gan", "minibatch-std", "unrolled-gan",
    "lucic-gan", "acgan", "projection-gan", "ebgan",
)  # fmt: skip
ONE_STEP = "k = 1 instead of 5, which leaves too few generator updates at this budget"
SLOW = (
    Entry(variant="r3gan", settings={"recipe.width": 16}),
    Entry(variant="progan", settings={"recipe.width": 8}),
    Entry(variant="stylegan-small", settings={"recipe.width": 16}),
    Entry(variant="sngan-resnet", settings={"recipe.width": 16, "recipe.k": 1}, note=ONE_STEP),
    Entry(
        variant="ddpm",
        settings={"recipe.width": 16, "recipe.batch_size": 32, "recipe.lr_g": 2e-3, "recipe.ema_half_life_images": 10_000},
        note="small batches, ten times the learning rate and a shorter weight average, for a short run",
    ),
)
SHORT = (
    Entry(variant="sngan", settings={"recipe.width": 16, "recipe.k": 1}, note=ONE_STEP),
    Entry(
        variant="began",
        settings={
            "networks": "dcgan", "recipe.width": 16, "recipe.batch_size": 32, "recipe.lr_g": 1e-3, "recipe.lr_d": 1e-3, "recipe.lambda_k": 0.02,
        },
        note="networks of dcgan, a higher learning rate and a faster balance: with the defaults, k_t hardly changes in a short run",
    ),
    Entry(
        variant="instance-noise",
        settings={"recipe.width": 16, "recipe.instance_noise_images": 50_000},
        note="the noise ends after half of the budget; with the default it would last longer",
    ),
    Entry(
        variant="cgan",
        settings={"recipe.width": 16, "recipe.batch_size": 30, "recipe.lr_g": 1e-3, "recipe.lr_d": 1e-3},
        note="small batches and a higher learning rate: with the defaults, G learns clothes at this budget, but not yet their classes",
    ),
    *(
        Entry(
            variant=f"pacdcgan{pack}",
            settings={"recipe.width": 16, "recipe.batch_size": 60, "recipe.lr_g": 1e-3, "recipe.lr_d": 1e-3},
            note="batches of 60 images, not 60 packs, for as many updates as dcgan, and a higher learning rate",
        )
        for pack in (2, 3, 4)
    ),
    Entry(variant="infogan", settings={"recipe.width": 16, "recipe.batch_size": 32}, note="small batches, for more updates in a short run"),
    Entry(variant="vae"),
    Entry(variant="label-smoothed-two-sided"),
)  # fmt: skip

PLANE = ("ring8", "grid25")
STACKED = "stacked-mnist"
PACKS = (1, 2, 3, 4)
STACKED_PACKS = ("dcgan", "pacdcgan2", "pacdcgan3", "pacdcgan4")  # by the number of images in a pack
# Settings of PacGAN's code for stacked images that differ from dcgan. That code trains 50 epochs of 2,000 batches with 64 packs each.
PACGAN_STACKED = {
    "networks": "dcgan-deep", "recipe.z_distribution": "uniform", "recipe.init": "normal", "budget.generator_updates": 50 * 2_000,
}  # fmt: skip
# Fewer updates and evaluation points than for point datasets, because an evaluation of 26,000 stacked images is slow.
QUICK_STACKED: dict[str, Any] = {"recipe.width": 16, "budget.generator_updates": 1_000, "evaluation.marks": 1}


def _core(conv_width: int) -> tuple[Entry, ...]:
    """Return the eight core variants with narrow convolutions. The two with k = 5 get learning rates for a short budget."""
    return tuple(_entry(name, conv_width) for name in CORE)


def _entry(name: str, conv_width: int) -> Entry:
    settings: dict[str, float] = {"recipe.width": conv_width} if name in CONVOLUTIONAL else {}
    if name not in FASTER:
        return Entry(variant=name, settings=settings)
    lr_g, lr_d = FASTER[name]
    note = (
        f"learning rates {lr_g:g} (G) and {lr_d:g} (D) instead of the published: with k = 5 this budget leaves so few generator "
        "updates that the published rates do not train it"
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
    "catalogue",
    Suite(
        name="catalogue",
        idea="every variant for images, narrow, at the budget of quick; one seed shows that each trains, --seeds 3 compares them",
        entries=(*SLOW, *(Entry(variant=name, settings={"recipe.width": 16}) for name in NARROW), *_core(16), *SHORT),
        seeds=(0,),
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
        idea="smoke test: the eight core variants on the embedded digits, seconds a run",
        entries=_core(16),
        datasets=("digits",),
        seeds=(0, 1),
        settings={"budget.images": 30_000, "evaluation.marks": 1},
    ),
)


# Settings that vary each random stream alone, then all together. The last ones are empty, because all streams vary by default.
VARIED: tuple[dict[str, Any], ...] = (*({"vary": stream} for stream in TRAINING), {})
SUITES.register(
    "seed-variance",
    Suite(
        name="seed-variance",
        idea="where seeds differ: initial weights, order of the data and noise, each alone and all together, on four variants of quick",
        entries=tuple(
            replace(entry, settings={**entry.settings, **varied})
            for varied in VARIED
            for entry in map(_entry, ("wgan-gp", "dcgan", "lsgan", "ns-gan"), (16,) * 4)
        ),
        seeds=(0, 1, 2, 3, 4),
        settings={"budget.images": 100_000, "evaluation.marks": 2},
    ),
)


def _quick_on_points(name: str) -> Entry:
    """Return the entry of a variant with small networks for points, and learning rates for few updates."""
    note = "a sixth of the published width, torch's default initial weights and learning rates of 1e-3, because this budget is small"
    settings: dict[str, Any] = {
        "networks": "mlp-2d",
        "recipe.width": 32,
        "recipe.init": "default",
        "recipe.lr_g": 1e-3,
        "recipe.lr_d": 1e-3,
    }
    if name == "wgan-gp":
        return Entry(
            variant=name,
            datasets=PLANE,
            settings=settings | {"recipe.k": 1},
            note=f"{note}; k = 1 instead of 5, which would take four times as long",
        )
    return Entry(variant=name, datasets=PLANE, settings=settings, note=note)


def _stacked_as_published(pack: int) -> Entry:
    note = "the four-layer DCGAN and the numbers of PacGAN's code; that code also updates G twice a batch and scales images to [0, 1]"
    return Entry(
        variant=STACKED_PACKS[pack - 1], datasets=(STACKED,), settings={**PACGAN_STACKED, "recipe.batch_size": 64 * pack}, note=note
    )


SUITES.register(
    "modes",
    Suite(
        name="modes",
        idea="mode collapse at a small scale: points and stacked images, with and without packing, about twenty minutes on two cores",
        entries=(
            _quick_on_points("wgan-gp"),
            _quick_on_points("pacgan2"),
            _quick_on_points("gan-2d"),
            _quick_on_points("ns-gan"),
            Entry(variant="pacdcgan2", datasets=("stacked-fashion",), settings=QUICK_STACKED),
            Entry(variant="dcgan", datasets=("stacked-fashion",), settings=QUICK_STACKED),
        ),
        datasets=("stacked-fashion", *PLANE),
        settings={"budget.generator_updates": 10_000, "evaluation.marks": 2},
    ),
)
SUITES.register(
    "pacgan",
    Suite(
        name="pacgan",
        idea="PacGAN's experiments as published, 10 seeds: days on a GPU, or weeks on a CPU; no results are published yet",
        entries=(
            *(Entry(variant=name, datasets=PLANE) for name in ("gan-2d", "pacgan2", "pacgan3", "pacgan4")),
            *(_stacked_as_published(pack) for pack in PACKS),
        ),
        datasets=(*PLANE, STACKED),
        seeds=tuple(range(10)),
        settings={"budget.generator_updates": 400 * 1_000, "evaluation.marks": 19},
    ),
)
