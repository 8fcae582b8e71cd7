"""The ready search spaces and studies."""

from __future__ import annotations

from bench.suite import Entry
from studies.spaces import SPACES, Dimension, Space
from studies.study import STUDIES, Study

LOWEST_RATE, HIGHEST_RATE = 1e-5, 1e-2
K = Dimension(path="recipe.k", kind="int", low=1, high=5)

SPACES.register(
    "lr-k",
    Space(
        name="lr-k",
        idea="both learning rates on their own time scales, and k",
        dimensions=(
            Dimension(path="recipe.lr_g", kind="log", low=LOWEST_RATE, high=HIGHEST_RATE),
            Dimension(path="recipe.lr_d", kind="log", low=LOWEST_RATE, high=HIGHEST_RATE),
            K,
        ),
    ),
)
SPACES.register(
    "lr-k-tied",
    Space(
        name="lr-k-tied",
        idea="one learning rate for both players, and k",
        dimensions=(Dimension(path="recipe.lr_g", also=("recipe.lr_d",), kind="log", low=LOWEST_RATE, high=HIGHEST_RATE), K),
    ),
)
SPACES.register(
    "lucic-wide",
    Space(
        name="lucic-wide",
        idea="the wide search of Lucic et al. 2018 (arXiv 1711.10337): one learning rate, beta1, k of 1 or 5, D's batch norm, and each loss's own number",
        dimensions=(
            Dimension(path="recipe.lr_g", also=("recipe.lr_d",), kind="log", low=1e-5, high=1e-2),
            Dimension(path="recipe.betas.0", kind="linear", low=0.0, high=0.999),
            Dimension(path="recipe.k", kind="choice", choices=(1, 5)),
            Dimension(path="recipe.norm_d", kind="choice", choices=("published", "none"), variants="*[cs]gan"),  # dcgan, lsgan
            Dimension(path="recipe.norm_d", kind="choice", choices=("published", "none"), variants="wgan"),  # wgan-gp can have none
            Dimension(path="recipe.clip", kind="log", low=1e-3, high=1.0, variants="wgan"),
            Dimension(path="recipe.gp", kind="log", low=1e-1, high=1e2, variants="wgan-gp"),
        ),
    ),
)

NARROW = {"recipe.width": 16}
STUDIES.register(
    "lr-k-quick",
    Study(
        name="lr-k-quick",
        idea="which learning rates and which k, for three variants in ten minutes on two cores",
        entries=(Entry(variant="wgan-gp", settings=NARROW), Entry(variant="dcgan", settings=NARROW), Entry(variant="label-smoothed")),
        space="lr-k",
        settings={"budget.images": 30_000, "evaluation.marks": 9},
        trials=15,
        search_samples=2_000,
        final_seeds=3,
    ),
)
STUDIES.register(
    "lr-k",
    Study(
        name="lr-k",
        idea="learning rates and k of the eight core variants, at the budget and the widths of the suite quick: a night on two cores",
        entries=(
            *(Entry(variant=name, settings=NARROW) for name in ("wgan-gp", "dcgan", "lsgan", "wgan")),
            *(Entry(variant=name) for name in ("mlp-dropout", "vanilla", "ns-gan", "label-smoothed")),
        ),
        space="lr-k",
        settings={"budget.images": 100_000, "evaluation.marks": 9},
        search_samples=5_000,
        trials=40,
        final_seeds=5,
    ),
)
STUDIES.register(
    "lucic",
    Study(
        name="lucic",
        idea="a wide random search of 100 trials, then 50 seeds of the best, as Lucic et al. 2018 (arXiv 1711.10337): for a GPU, or weeks of CPU",
        entries=tuple(Entry(variant=name) for name in ("vanilla", "ns-gan", "lsgan", "wgan", "wgan-gp")),
        space="lucic-wide",
        dataset="fashion-mnist",
        settings={"budget.images": 1_000_000, "evaluation.marks": 4},
        trials=100,
        final_seeds=50,
        sampler="random",
        pruner="none",
    ),
)
