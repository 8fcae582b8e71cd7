"""Helpers for entries of the catalogue."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from bench.core.config import VARIANTS
from bench.core.spec import DataShape, Networks, Objective, Recipe, Variant
from variants.gan import AdversarialObjective, build_gan

NUMBERS = "dcgan's networks and hyperparameters, in batches of 64"
SAME = f"{NUMBERS}; only the loss differs"


def register_gan(
    name: str, *, idea: str, paper: str, networks: str, recipe: Recipe, note: str = "", aliases: tuple[str, ...] = (), version: int = 1,
    objective: Callable[[Recipe], Objective] = AdversarialObjective, build: Callable[[str, Recipe, DataShape], Networks] = build_gan,
    needs_labels: bool = False, family: str = "",
) -> Variant:  # fmt: skip
    """Register a GAN, by default an unconditional one with the adversarial objective."""
    variant = Variant(
        name=name, idea=idea, paper=paper, networks=networks, recipe=recipe, note=note, aliases=aliases, version=version,
        objective=objective, build=build, needs_labels=needs_labels, family=family,
    )  # fmt: skip
    return VARIANTS.register(name, variant, aliases=aliases)


def of_family(family: str) -> Callable[..., Variant]:
    """Return `register_gan` for entries of one family. Lists use the family as a heading."""
    return partial(register_gan, family=family)
