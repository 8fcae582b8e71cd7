"""By regulariser: penalties of the discriminator, and augmentations of its data."""

from __future__ import annotations

from variants.catalog.entry import NUMBERS, of_family
from variants.recipe import GanRecipe
from variants.unrolled import UnrolledObjective, UnrolledRecipe

register_gan = of_family("Regularisers")

register_gan(
    "dragan",
    idea="non-saturating, D's gradient held near 1 around real data",
    paper="arXiv 1705.07215",
    networks="dcgan",
    recipe=GanRecipe(dragan=10.0, norm_d="none"),
    note=f"weight 10 as published; {NUMBERS} (the authors' code: MLPs, Adam 1e-4 (.5, .9)), without batch norm in D",
)
register_gan(
    "gan-r1",
    idea="non-saturating, D flat at real data",
    paper="arXiv 1801.04406",
    networks="dcgan",
    recipe=GanRecipe(r1=10.0, norm_d="none", optimiser="rmsprop", lr_g=1e-4, lr_d=1e-4),
    note="γ 10 and RMSprop 1e-4 as published; dcgan's networks without batch norm in D",
)
register_gan(
    "gan-r2",
    idea="non-saturating, D flat at generated data",
    paper="arXiv 1801.04406",
    networks="dcgan",
    recipe=GanRecipe(r2=10.0, norm_d="none", optimiser="rmsprop", lr_g=1e-4, lr_d=1e-4),
    note="γ 10 and RMSprop 1e-4 as published; dcgan's networks without batch norm in D",
)
register_gan(
    "rpgan-r1-r2",
    idea="relativistic, D flat at real and at generated data: R3GAN's loss",
    paper="arXiv 2501.05441",
    networks="dcgan",
    recipe=GanRecipe(loss="relativistic", r1=10.0, r2=10.0, norm_d="none", betas=(0.0, 0.99)),
    note="dcgan's networks without batch norm in D, not R3GAN's; γ ours, since theirs depend on the data",
)
register_gan(
    "sngan",
    idea="hinge loss, D's weights of spectral norm 1",
    paper="arXiv 1802.05957",
    networks="dcgan",
    recipe=GanRecipe(loss="hinge", norm_d="spectral", k=5, betas=(0.0, 0.9)),
    note="Adam 2e-4 (0, .9) and k=5 as published for their ResNet; dcgan's networks",
)
register_gan(
    "ttur",
    idea="hinge loss, spectral norm, D learns four times as fast instead of more often",
    paper="arXiv 1706.08500",
    networks="dcgan",
    recipe=GanRecipe(loss="hinge", norm_d="spectral", lr_g=1e-4, lr_d=4e-4, betas=(0.0, 0.9)),
    note="two time scales as Zhang et al. 2019 (arXiv 1805.08318) use them with k=1; dcgan's networks, spectral norm in D only",
)
register_gan(
    "lecam-gan",
    idea="hinge loss, each side of D's logits held to the mean of the other",
    paper="arXiv 2104.03310",
    networks="dcgan",
    recipe=GanRecipe(loss="hinge", lecam=0.1),
    note="made for few data; the weight is ours, dcgan's networks and numbers; squares as in the paper, where the authors' code has only "
    "their positive halves, max(0, r - m(f))² + max(0, m(r) - f)²",
)
register_gan(
    "cr-gan",
    idea="hinge loss, spectral norm, D does not change under shifts and mirrors",
    paper="arXiv 1910.12027",
    networks="dcgan",
    recipe=GanRecipe(loss="hinge", norm_d="spectral", consistency=10.0, betas=(0.0, 0.9)),
    note="weight 10 as published, at D's logits; shifts of up to an eighth of the side, 4 of 32 pixels as published; dcgan's networks, k=1",
)
register_gan(
    "diffaugment-gan",
    idea="hinge loss, real and generated images augmented alike before D",
    paper="arXiv 2006.10738",
    networks="dcgan",
    recipe=GanRecipe(loss="hinge", augment="color,translation,cutout"),
    note="made for few data; dcgan's networks and numbers",
)
register_gan(
    "instance-noise",
    idea="dcgan with noise on all that D sees, which fades",
    paper="arXiv 1610.04490",
    networks="dcgan",
    recipe=GanRecipe(instance_noise=0.2, instance_noise_images=1_000_000),
    note=f"the paper gives no numbers for images; {NUMBERS}",
)
register_gan(
    "minibatch-std",
    idea="dcgan whose D sees how much its batch varies",
    paper="arXiv 1710.10196",
    networks="dcgan",
    recipe=GanRecipe(minibatch_std=True),
    note=f"ProGAN's statistic of the whole batch alone; {NUMBERS}, and a layer more in D: a convolution of 1 x 1 that joins the statistic to the features",
)
register_gan(
    "unrolled-gan",
    idea="dcgan whose G looks five steps of D ahead",
    paper="arXiv 1611.02163",
    networks="dcgan",
    recipe=UnrolledRecipe(unroll=5, norm_d="none", lr_g=1e-3, lr_d=1e-4),
    objective=UnrolledObjective,
    note="G minimises what D maximises, after D's steps ahead, as published; five steps and the learning rates as the authors' code has them for points; "
    "its steps ahead are Adam's, ours plain gradient descent at .01; dcgan's networks without batch norm in D",
)
