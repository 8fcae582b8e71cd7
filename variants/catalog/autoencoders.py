"""Variants whose discriminator is an autoencoder."""

from __future__ import annotations

from bench.core.config import VARIANTS
from bench.core.spec import Variant
from variants.autoencoder import BeganObjective, BeganRecipe, EbganObjective, EbganRecipe, build_autoencoder_gan

VARIANTS.register(
    "ebgan",
    Variant(
        name="ebgan",
        idea="D is an autoencoder: real data has low energy, generated data at least a margin",
        paper="arXiv 1609.03126",
        networks="dcgan",
        recipe=EbganRecipe(margin=10.0, pulling_away=0.1, lr_g=1e-3, lr_d=1e-3),
        objective=EbganObjective,
        build=build_autoencoder_gan,
        family="Autoencoder discriminators",
        note="the energy is the Euclidean norm (eq. 5); margin 10, weight .1 and Adam 1e-3 as published for MNIST and fully connected networks; "
        "in D, the decoder is dcgan's generator, and the encoder is dcgan's discriminator; betas and the width of the code are this project's defaults",
    ),
)
VARIANTS.register(
    "began",
    Variant(
        name="began",
        idea="D is an autoencoder with a balance of its errors on real and generated data",
        paper="arXiv 1703.10717",
        networks="began",
        recipe=BeganRecipe(gamma=0.5, code_dim=64, z_dim=64, z_distribution="uniform", batch_size=16, lr_g=1e-4, lr_d=1e-4),
        objective=BeganObjective,
        build=build_autoencoder_gan,
        family="Autoencoder discriminators",
        note="γ .5, λ .001, Adam 1e-4, batches of 16 and z of 64 as published; the learning rate does not decay, the networks have no skip connections, and images are clipped to [-1, 1]; "
        "k_t depends on the generated images of D's update (publication: of G's update); after 20,000 images, began does not yet generate clothes: in a short run, set networks=dcgan, "
        "recipe.batch_size=32, recipe.lr_g=1e-3, recipe.lr_d=1e-3 and recipe.lambda_k=0.02",
    ),
)
