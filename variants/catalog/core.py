"""Core variants: the GANs of introductory texts, and the two Wasserstein GANs."""

from __future__ import annotations

from variants.catalog.entry import of_family
from variants.recipe import GanRecipe

register_gan = of_family("Core")

register_gan(
    "vanilla",
    idea="minimax game: G minimises log(1 - D(G(z)))",
    paper="arXiv 1406.2661",
    networks="mlp",
    recipe=GanRecipe(loss="minimax", init="dcgan"),
    aliases=("minimax-gan",),
    note="saturating loss at all times; learning rate 2e-4 and betas (.5, .999) are this project's defaults, because the publication gives none; batch norm has torch's momentum and eps",
)
register_gan(
    "ns-gan",
    idea="non-saturating: G minimises -log D(G(z))",
    paper="arXiv 1406.2661",
    networks="mlp",
    recipe=GanRecipe(loss="non-saturating", init="dcgan"),
    note="the networks and hyperparameters of vanilla; only G's loss differs",
)
register_gan(
    "label-smoothed",
    idea="non-saturating, real label 0.9 for D",
    paper="arXiv 1606.03498",
    networks="mlp-small",
    recipe=GanRecipe(real_label=0.9, z_dim=64, lr_g=1e-4, lr_d=1e-4, init="kaiming"),
)
register_gan(
    "mlp-dropout",
    idea="wide MLPs without batch norm, D with dropout .5",
    paper="arXiv 1406.2661",
    networks="mlp-dropout",
    recipe=GanRecipe(batch_size=60),
)
register_gan(
    "dcgan",
    idea="convolutions with batch norm in G and D",
    paper="arXiv 1511.06434",
    networks="dcgan",
    recipe=GanRecipe(batch_size=60),
    note="D's first layer has batch norm (publication: none); torch's default initial weights (publication: N(0, .02), --set recipe.init=dcgan)",
)
register_gan(
    "lsgan",
    idea="least squares on raw logits, targets 0 and 1",
    paper="arXiv 1611.04076",
    networks="dcgan",
    recipe=GanRecipe(loss="least-squares"),
    note="dcgan's networks, initial weights (torch's default) and optimiser",
)
register_gan(
    "wgan",
    idea="Wasserstein distance, critic weights clipped",
    paper="arXiv 1701.07875",
    networks="dcgan",
    recipe=GanRecipe(loss="wasserstein", clip=0.01, k=5, optimiser="rmsprop", lr_g=5e-5, lr_d=5e-5),
    note="the critic keeps batch norm, as published",
)
register_gan(
    "wgan-gp",
    idea="Wasserstein distance, critic gradient penalised towards norm 1",
    paper="arXiv 1704.00028",
    networks="dcgan",
    recipe=GanRecipe(loss="wasserstein", gp=10.0, k=5, lr_g=1e-4, lr_d=1e-4, betas=(0.0, 0.9), norm_d="none"),
    note="no batch norm in the critic, as published",
)
