"""Baselines for GANs: an autoencoder and a diffusion model."""

from __future__ import annotations

from bench.core.config import VARIANTS
from bench.core.spec import Variant
from variants.ddpm import DdpmRecipe, DiffusionObjective, build_ddpm
from variants.vae import VaeObjective, VaeRecipe, build_vae

VARIANTS.register(
    "vae",
    Variant(
        name="vae",
        idea="variational autoencoder: Gaussian codes, trained on the evidence lower bound",
        paper="arXiv 1312.6114",
        networks="mlp",
        recipe=VaeRecipe(z_dim=20, batch_size=100, lr_g=1e-3, betas=(0.9, 0.999)),
        objective=VaeObjective,
        build=build_vae,
        family="Baselines that are not GANs",
        note="fully connected as published, but deeper and with batch norm in the decoder; batches of 100 as published; Adam 1e-3 (publication: Adagrad); z of 20; "
        "the likelihood treats grey values as probabilities",
    ),
)
VARIANTS.register(
    "ddpm",
    Variant(
        name="ddpm",
        idea="diffusion: a network learns to remove noise step by step",
        paper="arXiv 2006.11239",
        networks="unet",
        recipe=DdpmRecipe(batch_size=128, betas=(0.9, 0.999), ema_half_life_images=887_000),
        objective=DiffusionObjective,
        build=build_ddpm,
        family="Baselines that are not GANs",
        note="a U-Net of two resolutions on squares of 2 x 2 pixels, without dropout; 20 steps of DDIM (arXiv 2010.02502, eq. 12) instead of 1,000; "
        "EMA as published (.9999 for each batch), with a warm-up; no clipping of gradients; in a short run, narrow networks learn faster with recipe.lr_g=2e-3 and recipe.batch_size=32",
    ),
)
