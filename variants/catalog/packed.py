"""Variants with packing: PacGAN, for points and for images."""

from __future__ import annotations

from variants.catalog.entry import of_family
from variants.recipe import GanRecipe

register_gan = of_family("Packing")

IN_TURN = "D and G are updated in turn on fresh latents (publication's code: both at once)"
PACKED_2D = f"batches of 100 packs, as published; {IN_TURN}"
register_gan(
    "gan-2d",
    idea="the GAN for points of the PacGAN publication, not packed",
    paper="arXiv 1712.04086",
    networks="mlp-2d",
    recipe=GanRecipe(batch_size=100, z_dim=2, lr_g=1e-4, lr_d=1e-4, betas=(0.8, 0.999), init="normal"),
    note=IN_TURN,
)
register_gan(
    "pacgan2",
    idea="gan-2d whose D judges 2 points together",
    paper="arXiv 1712.04086",
    networks="mlp-2d",
    recipe=GanRecipe(pack=2, batch_size=200, z_dim=2, lr_g=1e-4, lr_d=1e-4, betas=(0.8, 0.999), init="normal"),
    note=PACKED_2D,
)
register_gan(
    "pacgan3",
    idea="gan-2d whose D judges 3 points together",
    paper="arXiv 1712.04086",
    networks="mlp-2d",
    recipe=GanRecipe(pack=3, batch_size=300, z_dim=2, lr_g=1e-4, lr_d=1e-4, betas=(0.8, 0.999), init="normal"),
    note=PACKED_2D,
)
register_gan(
    "pacgan4",
    idea="gan-2d whose D judges 4 points together",
    paper="arXiv 1712.04086",
    networks="mlp-2d",
    recipe=GanRecipe(pack=4, batch_size=400, z_dim=2, lr_g=1e-4, lr_d=1e-4, betas=(0.8, 0.999), init="normal"),
    note=PACKED_2D,
)
PACKED_DCGAN = "dcgan's networks and hyperparameters, in batches of 60 packs; the suite pacgan has the published recipe"
register_gan(
    "pacdcgan2",
    idea="dcgan whose D judges 2 images together",
    paper="arXiv 1712.04086",
    networks="dcgan",
    recipe=GanRecipe(pack=2, batch_size=120),
    note=PACKED_DCGAN,
)
register_gan(
    "pacdcgan3",
    idea="dcgan whose D judges 3 images together",
    paper="arXiv 1712.04086",
    networks="dcgan",
    recipe=GanRecipe(pack=3, batch_size=180),
    note=PACKED_DCGAN,
)
register_gan(
    "pacdcgan4",
    idea="dcgan whose D judges 4 images together",
    paper="arXiv 1712.04086",
    networks="dcgan",
    recipe=GanRecipe(pack=4, batch_size=240),
    note=PACKED_DCGAN,
)
