"""The registered search spaces and studies."""

from __future__ import annotations

from typing import Any

from bench.scheduling.suite import Entry
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
            # A penalty on each sample's gradient (wgan-gp, dragan) excludes batch norm in D.
            Dimension(
                path="recipe.norm_d", kind="choice", choices=("published", "none"), variants="vanilla,ns-gan,dcgan,lsgan*,wgan,began"
            ),
            Dimension(path="recipe.clip", kind="log", low=1e-3, high=1.0, variants="wgan"),
            Dimension(path="recipe.gp", kind="log", low=1e-1, high=1e2, variants="wgan-gp"),
            Dimension(path="recipe.dragan", kind="log", low=1e-1, high=1e2, variants="dragan"),
            Dimension(path="recipe.lambda_k", kind="log", low=1e-4, high=1e-2, variants="began"),
            Dimension(path="recipe.gamma", kind="linear", low=0.0, high=1.0, variants="began"),
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

# Lucic et al. 2018 (arXiv 1711.10337): one network, one optimiser, equal budgets and an equally wide search for every loss.
# The budget is 20 epochs of 50,000 images for D in batches of 64, for every k: 15,625 updates of D.
LUCIC_NET = {
    "networks": "lucic", "recipe.z_dim": 64, "recipe.z_distribution": "uniform", "recipe.batch_size": 64, "recipe.init": "normal",
    "recipe.optimiser": "adam",
}  # fmt: skip
LUCIC_STARTS: dict[str, dict[str, Any]] = {  # default of each search in the publication's code, except the network: beta1, learning rate, k
    "vanilla": {"recipe.betas": (0.0, 0.999), "recipe.lr_g": 5e-5, "recipe.lr_d": 5e-5, "recipe.k": 1},
    "ns-gan": {"recipe.betas": (0.0, 0.999), "recipe.lr_g": 5e-5, "recipe.lr_d": 5e-5, "recipe.k": 1},
    "lsgan-sigmoid": {"recipe.betas": (0.5, 0.999), "recipe.lr_g": 2e-4, "recipe.lr_d": 2e-4, "recipe.k": 1},
    "wgan": {"recipe.betas": (0.5, 0.999), "recipe.lr_g": 5e-5, "recipe.lr_d": 5e-5, "recipe.k": 5, "recipe.clip": 0.01},
    "wgan-gp": {"recipe.betas": (0.5, 0.999), "recipe.lr_g": 1e-4, "recipe.lr_d": 1e-4, "recipe.k": 5, "recipe.gp": 10.0},
    "dragan": {"recipe.betas": (0.5, 0.999), "recipe.lr_g": 1e-4, "recipe.lr_d": 1e-4, "recipe.k": 1, "recipe.dragan": 10.0},
    "began": {
        "recipe.betas": (0.5, 0.999), "recipe.lr_g": 1e-4, "recipe.lr_d": 1e-4, "recipe.k": 5, "recipe.lambda_k": 1e-3, "recipe.gamma": 0.75,
        "recipe.norm_d": "none",
    },
}  # fmt: skip
LUCIC = tuple(Entry(variant=name, settings=LUCIC_NET | start) for name, start in LUCIC_STARTS.items())
STUDIES.register(
    "lucic-fashion",
    Study(
        name="lucic-fashion",
        idea="seven losses on one net, each searched widely by 100 random trials, then 50 seeds of the best: Lucic et al. 2018, for a GPU",
        entries=LUCIC,
        space="lucic-wide",
        dataset="fashion-mnist",
        settings={"budget.images": 1_000_000, "evaluation.marks": 4},
        trials=100,
        final_seeds=50,
        sampler="random",
        pruner="none",
    ),
)
STUDIES.register(
    "lucic-fashion-small",
    Study(
        name="lucic-fashion-small",
        idea="lucic-fashion at a twentieth of its budget, a tenth of its trials and seeds and a quarter of its width",
        entries=tuple(Entry(variant=entry.variant, settings={**entry.settings, **NARROW}) for entry in LUCIC),
        space="lucic-wide",
        dataset="fashion-mnist",
        settings={"budget.images": 50_000, "evaluation.marks": 4},
        trials=10,
        final_seeds=5,
        sampler="random",
        pruner="none",
    ),
)
