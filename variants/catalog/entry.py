"""How an entry of the catalogue is made."""

from __future__ import annotations

from bench.config import VARIANTS
from bench.spec import Variant
from variants.gan import AdversarialObjective, build_gan
from variants.recipe import GanRecipe

SAME = "dcgan's networks and numbers, in batches of 64; only the loss differs"


def register_gan(
    name: str, *, idea: str, paper: str, networks: str, recipe: GanRecipe, note: str = "", aliases: tuple[str, ...] = (), version: int = 1
) -> Variant:
    """Register a GAN with the plain wiring and the adversarial objective."""
    variant = Variant(
        name=name, idea=idea, paper=paper, networks=networks, recipe=recipe, note=note, aliases=aliases, version=version,
        objective=AdversarialObjective, build=build_gan,
    )  # fmt: skip
    return VARIANTS.register(name, variant, aliases=aliases)
