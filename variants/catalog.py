"""THE table of variants: each entry is its name, its idea, its networks and the numbers in which it differs.

Adding a recombination is adding an entry here: being registered is what gives it a name on the command line, its contract
tests and its row in the report.
"""

from __future__ import annotations

from bench.config import VARIANTS
from bench.spec import Variant
from variants.gan import AdversarialObjective, build_gan
from variants.networks import dcgan as _dcgan  # noqa: F401 (registers its backbone)
from variants.networks import dcgan_deep as _dcgan_deep  # noqa: F401 (registers its backbone)
from variants.networks import mlp as _mlp  # noqa: F401 (registers its backbones)
from variants.networks import mlp_2d as _mlp_2d  # noqa: F401 (registers its backbone)
from variants.recipe import GanRecipe


def register_gan(
    name: str, *, idea: str, paper: str, networks: str, recipe: GanRecipe, note: str = "", aliases: tuple[str, ...] = (), version: int = 1
) -> Variant:
    """Register a GAN with the plain wiring and the adversarial objective."""
    variant = Variant(
        name=name, idea=idea, paper=paper, networks=networks, recipe=recipe, note=note, aliases=aliases, version=version,
        objective=AdversarialObjective, build=build_gan,
    )  # fmt: skip
    return VARIANTS.register(name, variant, aliases=aliases)


register_gan(
    "vanilla",
    idea="minimax game: G minimises log(1 - D(G(z)))",
    paper="arXiv 1406.2661",
    networks="mlp",
    recipe=GanRecipe(loss="minimax", init="dcgan"),
    aliases=("minimax-gan",),
    note="saturating throughout; learning rate 2e-4 and betas (.5, .999) are ours, the source gives none; batch norm has torch's momentum and eps",
)
register_gan(
    "ns-gan",
    idea="non-saturating: G minimises -log D(G(z))",
    paper="arXiv 1406.2661",
    networks="mlp",
    recipe=GanRecipe(loss="non-saturating", init="dcgan"),
    note="the networks and numbers of vanilla; only G's loss differs",
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
    note="first weights are torch's own; the paper draws N(0, .02): --set recipe.init=dcgan",
)
register_gan(
    "lsgan",
    idea="least squares on raw logits, targets 0 and 1",
    paper="arXiv 1611.04076",
    networks="dcgan",
    recipe=GanRecipe(loss="least-squares"),
    note="DCGAN's networks, first weights and optimiser",
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
    idea="Wasserstein distance, critic gradient held near 1",
    paper="arXiv 1704.00028",
    networks="dcgan",
    recipe=GanRecipe(loss="wasserstein", gp=10.0, k=5, lr_g=1e-4, lr_d=1e-4, betas=(0.0, 0.9), norm_d="none"),
    note="no batch norm in the critic, as published",
)

IN_TURN = "D and G are updated in turn on fresh latents, where the authors' code updates both at once"
PACKED_2D = f"batches of 100 packs, as published; {IN_TURN}"
register_gan(
    "gan-2d",
    idea="PacGAN's own GAN for points, not packed",
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
PACKED_DCGAN = "dcgan's networks and numbers, in batches of 60 packs; the authors' own: suite pacgan"
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
