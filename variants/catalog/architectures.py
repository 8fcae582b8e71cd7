"""Variants that differ in the networks. Each uses the recipe of its publication, with the changes in its note."""

from __future__ import annotations

from variants.catalog.entry import of_family
from variants.recipe import GanRecipe

register_gan = of_family("Networks")

register_gan(
    "lucic-gan",
    idea="non-saturating, on the networks of a large comparison of GANs",
    paper="arXiv 1711.10337",
    networks="lucic",
    recipe=GanRecipe(z_dim=64, z_distribution="uniform", lr_g=1e-3, lr_d=1e-3, init="normal"),
    note="Adam 1e-3 (.5, .999) is this project's default, because the publication searches it; images are in [-1, 1] by tanh (publication: [0, 1]); "
    "batch norm has torch's momentum and eps, and layers before it have no biases",
)
register_gan(
    "sngan-resnet",
    idea="hinge loss, D's weights of spectral norm 1, residual networks",
    paper="arXiv 1802.05957",
    networks="resnet",
    recipe=GanRecipe(loss="hinge", norm_d="spectral", k=5, z_dim=128, betas=(0.0, 0.9)),
    note="the learning rate is constant (publication: falls to 0); G doubles 7 pixels to 28, or 4 to 32 as published; D is the published one for 32 pixels, whatever the size of the images",
)
register_gan(
    "r3gan",
    idea="relativistic, penalties on D's gradient at real and at generated data, residual networks without normalisation",
    paper="arXiv 2501.05441",
    networks="r3gan",
    recipe=GanRecipe(
        loss="relativistic", r1=3.0, r2=3.0, norm_d="none", width=64, z_dim=64, batch_size=32, lr_g=1e-3, lr_d=1e-3, betas=(0.0, 0.99),
        ema_half_life_images=20_000,
    ),
    note="64 channels and one block for each size (publication: 768 and two); γ 3, Adam 1e-3 and batches of 32 because the networks are small; EMA, no schedules; "
    "D halves sizes by the mean of 2 x 2 (publication: a filter of 4 x 4)",
)  # fmt: skip
register_gan(
    "progan",
    idea="networks that grow from a few pixels to the full size",
    paper="arXiv 1710.10196",
    networks="progressive",
    recipe=GanRecipe(
        loss="wasserstein", gp=10.0, drift=0.001, norm_d="none", minibatch_std=True, width=32, z_dim=512, batch_size=16, lr_g=1e-3, lr_d=1e-3,
        betas=(0.0, 0.99), grow=0.5, ema_half_life_images=11_000,
    ),
    note="32 channels at the full size, doubled at each halving (publication: 512 at all these sizes); growth over half of any budget; one state of Adam "
    "for all sizes; the first layer has the same gain as the others (publication's code: a quarter); the decay of EMA is .999 for each batch of 16, as published",
)  # fmt: skip
register_gan(
    "stylegan-small",
    idea="a style for each layer in place of an input vector, with mixing and noise",
    paper="arXiv 1912.04958",
    networks="style",
    recipe=GanRecipe(
        r1=1.0, penalty_every=16, norm_d="none", minibatch_std=True, width=32, z_dim=512, batch_size=32, lr_g=2e-3, lr_d=2e-3,
        betas=(0.0, 0.99), ema_half_life_images=10_000,
    ),
    note="StyleGAN2's layers, Adam, batches, mixing, EMA and R1 every 16 updates, without its path length penalty; the idea is StyleGAN's (arXiv "
    "1812.04948); this project's defaults: 32 channels at the full size, doubled at each halving, two layers of mapping, γ 1, no filters; betas are not "
    "corrected for the lazy penalty; minibatch standard deviation over all images of a batch, not over four",
)  # fmt: skip
