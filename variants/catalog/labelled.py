"""Variants with labels or codes: conditional GANs, and InfoGAN, which finds classes without labels."""

from __future__ import annotations

from variants.catalog.entry import of_family
from variants.conditional import AuxiliaryObjective, AuxiliaryRecipe, build_auxiliary, build_conditional, build_projection
from variants.infogan import InfoObjective, InfoRecipe, build_infogan
from variants.recipe import GanRecipe

register_gan = of_family("Labels and codes")

register_gan(
    "cgan",
    idea="conditional: the class is an input of G and D",
    paper="arXiv 1411.1784",
    networks="dcgan",
    recipe=GanRecipe(batch_size=60),
    build=build_conditional,
    needs_labels=True,
    aliases=("conditional-gan",),
    note="dcgan's networks and hyperparameters (publication: maxout MLPs); a 1 x 1 convolution combines the label with D's features before the last layer",
)
register_gan(
    "acgan",
    idea="auxiliary classifier: D also predicts the class",
    paper="arXiv 1610.09585",
    networks="dcgan",
    recipe=AuxiliaryRecipe(batch_size=60),
    objective=AuxiliaryObjective,
    build=build_auxiliary,
    needs_labels=True,
    note="dcgan's networks and hyperparameters, without the published dropout and noise in D",
)
register_gan(
    "projection-gan",
    idea="D adds an inner product of class and features; hinge loss, spectral norm",
    paper="arXiv 1802.05637",
    networks="dcgan",
    recipe=GanRecipe(loss="hinge", norm_d="spectral", betas=(0.0, 0.9)),
    build=build_projection,
    needs_labels=True,
    note="dcgan's networks; the class is an input beside z (publication: conditional batch norm in G); k=1 (publication: 5)",
)
register_gan(
    "infogan",
    idea="latent codes that D predicts: one of ten categories, and two continuous codes",
    paper="arXiv 1606.03657",
    networks="dcgan",
    recipe=InfoRecipe(z_dim=62, z_distribution="uniform", lr_g=1e-3, lr_d=2e-4, batch_size=128),
    objective=InfoObjective,
    build=build_infogan,
    note="codes, z and learning rates as in the authors' code for MNIST; λ .1 of the continuous codes is this project's default (publication: a smaller value; its code: 1); "
    "dcgan's networks, and Q has no separate layer",
)
