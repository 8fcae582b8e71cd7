"""Variants that differ in a regulariser: penalties of the discriminator, and augmentations of its data."""

from __future__ import annotations

from variants.catalog.entry import NUMBERS, of_family
from variants.recipe import GanRecipe
from variants.unrolled import UnrolledObjective, UnrolledRecipe

register_gan = of_family("Regularisers")

register_gan(
    "dragan",
    idea="non-saturating, D's gradient near real data penalised towards norm 1",
    paper="arXiv 1705.07215",
    networks="dcgan",
    recipe=GanRecipe(dragan=10.0, norm_d="none"),
    note=f"weight 10 as published; {NUMBERS} (publication's code: MLPs, Adam 1e-4 (.5, .9)), without batch norm in D",
)
register_gan(
    "gan-r1",
    idea="non-saturating, penalty on D's gradient at real data",
    paper="arXiv 1801.04406",
    networks="dcgan",
    recipe=GanRecipe(r1=10.0, norm_d="none", optimiser="rmsprop", lr_g=1e-4, lr_d=1e-4),
    note="γ 10 and RMSprop 1e-4 as published; dcgan's networks without batch norm in D",
)
register_gan(
    "gan-r2",
    idea="non-saturating, penalty on D's gradient at generated data",
    paper="arXiv 1801.04406",
    networks="dcgan",
    recipe=GanRecipe(r2=10.0, norm_d="none", optimiser="rmsprop", lr_g=1e-4, lr_d=1e-4),
    note="γ 10 and RMSprop 1e-4 as published; dcgan's networks without batch norm in D",
)
register_gan(
    "rpgan-r1-r2",
    idea="relativistic, penalties on D's gradient at real and at generated data: R3GAN's loss",
    paper="arXiv 2501.05441",
    networks="dcgan",
    recipe=GanRecipe(loss="relativistic", r1=10.0, r2=10.0, norm_d="none", betas=(0.0, 0.99)),
    note="dcgan's networks without batch norm in D, not R3GAN's; γ is this project's default, because the published values depend on the data",
)
register_gan(
    "sngan",
    idea="hinge loss, D's weights of spectral norm 1",
    paper="arXiv 1802.05957",
    networks="dcgan",
    recipe=GanRecipe(loss="hinge", norm_d="spectral", k=5, betas=(0.0, 0.9)),
    note="Adam 2e-4 (0, .9) and k=5 as published for a ResNet; dcgan's networks",
)
register_gan(
    "ttur",
    idea="hinge loss, spectral norm, D's learning rate four times that of G instead of more updates",
    paper="arXiv 1706.08500",
    networks="dcgan",
    recipe=GanRecipe(loss="hinge", norm_d="spectral", lr_g=1e-4, lr_d=4e-4, betas=(0.0, 0.9)),
    note="two time scales with k=1, as in Zhang et al. 2019 (arXiv 1805.08318); dcgan's networks, spectral norm in D only",
)
register_gan(
    "lecam-gan",
    idea="hinge loss, and a penalty that pulls D's logits of each side towards the running mean of the other",
    paper="arXiv 2104.03310",
    networks="dcgan",
    recipe=GanRecipe(loss="hinge", lecam=0.1),
    note="designed for small data sets; the weight is this project's default; dcgan's networks and hyperparameters; squares as in the publication (its code: only "
    "the positive parts, max(0, r - m(f))² + max(0, m(r) - f)²)",
)
register_gan(
    "cr-gan",
    idea="hinge loss, spectral norm, penalty on changes of D under shifts and mirrors",
    paper="arXiv 1910.12027",
    networks="dcgan",
    recipe=GanRecipe(loss="hinge", norm_d="spectral", consistency=10.0, betas=(0.0, 0.9)),
    note="weight 10 as published, on D's logits; shifts of up to an eighth of the side, 4 of 32 pixels as published; dcgan's networks, k=1",
)
register_gan(
    "diffaugment-gan",
    idea="hinge loss, the same augmentations for real and generated images before D",
    paper="arXiv 2006.10738",
    networks="dcgan",
    recipe=GanRecipe(loss="hinge", augment="color,translation,cutout"),
    note="designed for small data sets; dcgan's networks and hyperparameters",
)
register_gan(
    "instance-noise",
    idea="dcgan with fading noise on D's inputs",
    paper="arXiv 1610.04490",
    networks="dcgan",
    recipe=GanRecipe(instance_noise=0.2, instance_noise_images=1_000_000),
    note=f"the publication gives no hyperparameters for images; {NUMBERS}",
)
register_gan(
    "minibatch-std",
    idea="dcgan whose D also gets the standard deviation of its batch",
    paper="arXiv 1710.10196",
    networks="dcgan",
    recipe=GanRecipe(minibatch_std=True),
    note=f"only ProGAN's statistic of the whole batch; {NUMBERS}, and another layer in D: a 1 x 1 convolution that combines the statistic with the features",
)
register_gan(
    "unrolled-gan",
    idea="dcgan whose G trains against D with its weights after five more steps",
    paper="arXiv 1611.02163",
    networks="dcgan",
    recipe=UnrolledRecipe(unroll=5, norm_d="none", lr_g=1e-3, lr_d=1e-4),
    objective=UnrolledObjective,
    note="G minimises the objective that D maximises after its unrolled steps, as published; five steps and the learning rates as in the authors' code for points; "
    "the unrolled steps are plain gradient descent at .01 (publication's code: Adam); dcgan's networks without batch norm in D",
)
