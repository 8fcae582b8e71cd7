"""Entries for translation: super-resolution, pix2pix with its ablations, CycleGAN, DiscoGAN and StarGAN."""

from __future__ import annotations

from collections.abc import Callable

from bench.core.config import VARIANTS
from bench.core.spec import DataShape, Networks, Objective, Recipe, TaskName, Variant
from variants.translation import CycleObjective, DomainObjective, PairedObjective, build_one_way, build_two_way
from variants.translation_recipe import TranslationRecipe

PIX2PIX = "arXiv 1611.07004"
SRGAN = "arXiv 1609.04802"
ABLATION = "a row of the publication's table 1, with the hyperparameters of pix2pix"


def register_translation(
    name: str, *, idea: str, paper: str, networks: str, recipe: TranslationRecipe, note: str = "", tasks: tuple[TaskName, ...] = ("paired",),
    objective: Callable[[Recipe], Objective] = PairedObjective, build: Callable[[str, Recipe, DataShape], Networks] = build_one_way,
    needs_labels: bool = False,
) -> Variant:  # fmt: skip
    """Register a variant that translates, by default on pairs."""
    variant = Variant(
        name=name, idea=idea, paper=paper, networks=networks, recipe=recipe, note=note, objective=objective, build=build, tasks=tasks,
        needs_labels=needs_labels, family="Translation",
    )  # fmt: skip
    return VARIANTS.register(name, variant)


register_translation(
    "srresnet",
    idea="super-resolution by residual blocks and pixel shuffles, trained on the mean squared error alone",
    paper=SRGAN, networks="srresnet",
    recipe=TranslationRecipe(adversarial=0.0, mse=1.0, batch_size=16, lr_g=1e-4, betas=(0.9, 0.999)),
    note="the whole image in place of random crops",
)  # fmt: skip
register_translation(
    "srgan-mse",
    idea="SRResNet with an adversarial loss beside the mean squared error",
    paper=SRGAN, networks="srresnet",
    recipe=TranslationRecipe(
        adversarial=1e-3, mse=1.0, pretrain=0.5, batch_size=16, lr_g=1e-4, lr_d=1e-4, betas=(0.9, 0.999),
    ),
    note="the publication's variant without VGG features. Its pre-training and its adversarial training are the halves of one run, with one learning rate",
)  # fmt: skip
register_translation(
    "pix2pix",
    idea="a U-Net against a discriminator of patches that also sees the input, with the mean absolute difference",
    paper=PIX2PIX, networks="pix2pix-unet",
    recipe=TranslationRecipe(l1=100.0, conditional_d=True, dropout=0.5, batch_size=4, init="dcgan"),
    note="dropout in the three innermost layers, as in the publication, in training and in evaluation; no random crops and mirrors",
)  # fmt: skip
register_translation(
    "pix2pix-uncond",
    idea="pix2pix whose discriminator does not see the input (L1 + GAN)",
    paper=PIX2PIX, networks="pix2pix-unet",
    recipe=TranslationRecipe(l1=100.0, dropout=0.5, batch_size=4, init="dcgan"),
    note=ABLATION,
)  # fmt: skip
register_translation(
    "cgan-only",
    idea="pix2pix without the mean absolute difference (cGAN)",
    paper=PIX2PIX, networks="pix2pix-unet",
    recipe=TranslationRecipe(conditional_d=True, dropout=0.5, batch_size=4, init="dcgan"),
    note=ABLATION,
)  # fmt: skip
register_translation(
    "gan-only",
    idea="pix2pix without the mean absolute difference, whose discriminator does not see the input (GAN)",
    paper=PIX2PIX, networks="pix2pix-unet",
    recipe=TranslationRecipe(dropout=0.5, batch_size=4, init="dcgan"),
    note=ABLATION,
)  # fmt: skip
register_translation(
    "l1-only",
    idea="pix2pix without a discriminator (L1)",
    paper=PIX2PIX, networks="pix2pix-unet",
    recipe=TranslationRecipe(adversarial=0.0, l1=1.0, dropout=0.5, batch_size=4, init="dcgan"),
    note=f"{ABLATION}. The weight 100 would change nothing, because Adam ignores a factor of the whole loss",
)  # fmt: skip
register_translation(
    "cyclegan",
    idea="two generators whose way there and back returns the input, on two sides without pairs",
    paper="arXiv 1703.10593", networks="resnet-translator", objective=CycleObjective, build=build_two_way, tasks=("unpaired",),
    recipe=TranslationRecipe(
        loss="least-squares", adversarial=2.0, cycle=10.0, identity=5.0, pool=50, blocks=6, batch_size=1, init="dcgan", decay_from=0.5,
    ),
    note="the identity loss of the authors' code. adversarial=2 undoes the factor 1/2 of our least-squares loss; no random crops and mirrors",
)  # fmt: skip
register_translation(
    "discogan",
    idea="two generators with squared differences after the way there and back, with the non-saturating loss",
    paper="arXiv 1703.05192", networks="disco-conv", objective=CycleObjective, build=build_two_way, tasks=("unpaired",),
    recipe=TranslationRecipe(cycle=1.0, cycle_distance="mse", batch_size=200, weight_decay=1e-4),
    note="as in the publication. The authors' code adds feature matching, weighs the terms and makes two updates of G for one of D",
)  # fmt: skip
register_translation(
    "stargan",
    idea="one generator for all domains, and a discriminator that classifies domains",
    paper="arXiv 1711.09020", networks="star", objective=DomainObjective, build=build_one_way, tasks=("domains",), needs_labels=True,
    recipe=TranslationRecipe(
        loss="wasserstein", gp=10.0, classify=1.0, cycle=10.0, k=5, batch_size=16, lr_g=1e-4, lr_d=1e-4, decay_from=0.5,
    ),
    note="no random mirrors",
)  # fmt: skip
