"""Variants that differ in the loss. Networks and hyperparameters are those of dcgan, in batches of 64, unless an entry sets others."""

from __future__ import annotations

from variants.catalog.entry import NUMBERS, SAME, of_family
from variants.recipe import GanRecipe

register_gan = of_family("Losses")

register_gan(
    "lsgan-sigmoid",
    idea="least squares on probabilities, as Lucic et al. train LSGAN",
    paper="arXiv 1711.10337",
    networks="dcgan",
    recipe=GanRecipe(loss="sigmoid-least-squares"),
    note=SAME,
)
register_gan(
    "hinge-gan",
    idea="hinge loss: D gets no gradient beyond a margin",
    paper="arXiv 1705.02894",
    networks="dcgan",
    recipe=GanRecipe(loss="hinge"),
    note=SAME,
)
register_gan(
    "rsgan",
    idea="relativistic: D predicts which of two samples, real and generated, is more realistic",
    paper="arXiv 1807.00734",
    networks="dcgan",
    recipe=GanRecipe(loss="relativistic"),
    aliases=("relativistic-gan",),
    note=SAME,
)
register_gan(
    "rasgan",
    idea="relativistic average: D compares each sample with the mean of the other side",
    paper="arXiv 1807.00734",
    networks="dcgan",
    recipe=GanRecipe(loss="relativistic-average"),
    note=SAME,
)
for _divergence, _words in {
    "kl": "KL divergence", "reverse-kl": "reverse KL divergence", "pearson": "Pearson chi-squared divergence", "squared-hellinger": "squared Hellinger distance",
    "jensen-shannon": "Jensen-Shannon divergence",
}.items():  # fmt: skip
    register_gan(
        f"fgan-{_divergence}",
        idea=f"f-GAN: D bounds the {_words}",
        paper="arXiv 1606.00709",
        networks="dcgan",
        recipe=GanRecipe(loss=f"f-{_divergence}"),
        note=f"{SAME}; G maximises the activation of D's logits on generated images (section 3.2)",
    )
register_gan(
    "label-smoothed-two-sided",
    idea="label-smoothed, and label 0.1 for generated images",
    paper="arXiv 1606.03498",
    networks="mlp-small",
    recipe=GanRecipe(real_label=0.9, fake_label=0.1, z_dim=64, lr_g=1e-4, lr_d=1e-4, init="kaiming"),
    note="the publication advises against a label for generated images: those far from the data then have less incentive to move towards it",
)
register_gan(
    "label-noise",
    idea="dcgan with 5% of D's labels exchanged",
    paper="Chintala et al. 2016, How to train a GAN (a talk)",
    networks="dcgan",
    recipe=GanRecipe(label_noise=0.05),
    note=f"a practical trick, published without hyperparameters; {NUMBERS}",
)
