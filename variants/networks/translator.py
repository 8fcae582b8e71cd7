"""Translators: functions from ports and a recipe to a generator from given images to images, and to its discriminator."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from bench.core.config import NETWORKS
from bench.core.errors import UserError, nearest
from bench.core.spec import DataShape
from variants.networks.translation_layers import Padding, Size, crop_to, draw_mask, pad_to
from variants.translation_recipe import TranslationRecipe


@dataclass(frozen=True, kw_only=True)
class TranslationPorts:
    """Record of the shapes that a model needs from a translator."""

    given: tuple[int, ...]  # shape of one given example
    shape: tuple[int, ...]  # shape of one generated example
    domains: int = 0  # domains to which one generator translates; 0: it has one target

    @classmethod
    def of(cls, data: DataShape) -> TranslationPorts:
        """Return the ports for data with a translation task."""
        return cls(given=data.given, shape=data.shape, domains=data.classes if data.task == "domains" else 0)

    @property
    def kind(self) -> str:
        """Kind of the data: image or points."""
        return "image" if len(self.shape) == len(self.given) == 3 else "points"

    def reverse(self) -> TranslationPorts:
        """Return the ports of the translator that translates back."""
        return TranslationPorts(given=self.shape, shape=self.given, domains=self.domains)


class Judgement(NamedTuple):
    """Record of what a discriminator returns."""

    logits: Tensor  # [N, 1, h, w], one for each patch; h = w = 1 if it judges the whole image
    features: tuple[Tensor, ...]  # maps [N, C, h, w] of all hidden layers but the first, or of a single hidden layer
    classes: Tensor | None = None  # logits of domains [N, domains], if the ports have any


class TranslationGenerator(nn.Module):
    """Base class of generators from given images [N, *given] to images [N, *shape] in [-1, 1].

    It pads given images to `size`, which its stages need, and crops its output. `masks` are the shapes of its dropout masks by name.
    """

    def __init__(self, ports: TranslationPorts, size: Size, padding: Padding, dropout: float) -> None:
        super().__init__()
        self.size, self.padding = size, padding
        self.crop: Size = (ports.shape[1], ports.shape[2])
        self.dropout = dropout
        self.masks: dict[str, tuple[int, ...]] = {}

    def draw_extra(self, n: int, noise: torch.Generator) -> Mapping[str, Tensor]:
        """Return dropout masks by name, each of booleans [n, C, h, w], without dropout none."""
        return {name: draw_mask(n, shape, self.dropout, noise) for name, shape in self.masks.items()} if self.dropout else {}

    def forward(self, given: Tensor, labels: Tensor | None = None, extra: Mapping[str, Tensor] | None = None) -> Tensor:
        """Return images [N, *shape]. `labels` [N] are domains, `extra` the result of `draw_extra`. Without masks nothing is dropped."""
        return crop_to(self.translate(pad_to(given, self.size, self.padding), labels, extra or {}), self.crop)

    def translate(self, images: Tensor, labels: Tensor | None, extra: Mapping[str, Tensor]) -> Tensor:
        """Return images for padded images."""
        raise NotImplementedError


class TranslationDiscriminator(nn.Module):
    """Discriminator of images [N, *shape], with the given images [N, *given] beside them if it is conditional.

    Its hidden layers are `stages`. `head` returns logits [N, 1, h, w], and `classes` returns logits of domains [N, domains].
    """

    def __init__(self, stages: Iterable[nn.Module], head: nn.Module, size: Size, *, classes: nn.Module | None = None) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.head = head
        self.classes = classes
        self.size = size

    def forward(self, images: Tensor, given: Tensor | None = None) -> Judgement:
        """Return the judgement of images. Given images of another size are resized to the size of the images, by repetition of pixels."""
        if given is not None:
            beside = given if given.shape[2:] == images.shape[2:] else interpolate(given, images.shape[2:], mode="nearest")
            images = torch.cat([beside.to(images.dtype), images], dim=1)
        maps, features = pad_to(images, self.size), []
        for stage in self.stages:
            maps = stage(maps)
            features.append(maps)
        return Judgement(self.head(maps), tuple(features[1:] or features), None if self.classes is None else self.classes(maps))


def keeps_size(ports: TranslationPorts) -> str | None:
    """Return why a translator that keeps the size of images cannot have these ports, or None."""
    if ports.given[1:] == ports.shape[1:]:
        return None
    return f"keep the size of images, and cannot make {sides(ports.shape)} pixels from {sides(ports.given)}"


@dataclass(frozen=True, kw_only=True)
class Translator:
    """Record of a registered generator that translates images, and of the discriminator that its publication trains it against.

    `refuses` returns why it cannot have some ports, or None. `domains`: whether it can translate to any of several domains.
    `blocks`: whether it has residual blocks, so that recipe.blocks has an effect.
    """

    build: Callable[[TranslationPorts, TranslationRecipe], TranslationGenerator]
    discriminator: Callable[[TranslationPorts, TranslationRecipe], TranslationDiscriminator]
    idea: str
    kinds: tuple[str, ...] = ("image",)
    refuses: Callable[[TranslationPorts], str | None] = field(default=keeps_size)
    domains: bool = False
    blocks: bool = False


def build_translator(name: str, ports: TranslationPorts, recipe: TranslationRecipe) -> TranslationGenerator:
    """Return the generator of a registered translator. Raises a UserError for other networks, and for ports that it does not support."""
    translator = _translator(name, ports)
    if recipe.blocks and not translator.blocks:
        able = [other for other, found in _fitting(ports).items() if found.blocks]
        advice = f", or networks={' or '.join(able)}" if able else ""
        raise UserError(f"recipe.blocks={recipe.blocks}: the networks {name!r} have no residual blocks; set recipe.blocks=0{advice}")
    return translator.build(ports, recipe)


def build_discriminator(name: str, ports: TranslationPorts, recipe: TranslationRecipe) -> TranslationDiscriminator:
    """Return the discriminator of a registered translator, for its outputs. Raises the same errors as `build_translator`."""
    return _translator(name, ports).discriminator(ports, recipe)


def _translator(name: str, ports: TranslationPorts) -> Translator:
    """Return the registered translator. Raises a UserError for other networks, and for ports that it does not support."""
    every = [other for other, found in NETWORKS if isinstance(found, Translator)]
    if name not in NETWORKS.names() and ":" not in name:
        raise UserError(f"unknown networks {name!r}{nearest(name, every)}")
    translator, fitting = NETWORKS.get(name), _fitting(ports)
    advice = f"; set networks={' or '.join(fitting)}" if fitting else ""
    if not isinstance(translator, Translator):
        raise UserError(f"the networks {name!r} make no images from given images{advice}")
    if why := _refusal(translator, ports):
        raise UserError(f"the networks {name!r} {why}{advice}")
    return translator


def _fitting(ports: TranslationPorts) -> dict[str, Translator]:
    """Return the registered translators that support these ports, in the order of their names."""
    translators = {name: found for name, found in NETWORKS if isinstance(found, Translator)}
    return {name: translators[name] for name in sorted(translators) if _refusal(translators[name], ports) is None}


def _refusal(translator: Translator, ports: TranslationPorts) -> str | None:
    """Return why a translator does not support these ports, or None."""
    if ports.kind not in translator.kinds:
        return f"translate {' or '.join(translator.kinds)} data, not {ports.kind}"
    if ports.domains and not translator.domains:
        return f"have one target, and cannot translate to any of {ports.domains} domains"
    return translator.refuses(ports)


def sides(shape: Sequence[int]) -> str:
    """Return the sides of an image of this shape as text."""
    return "x".join(map(str, shape[1:]))


def inputs_of_d(ports: TranslationPorts, recipe: TranslationRecipe) -> int:
    """Return the number of channels that a discriminator gets."""
    return ports.shape[0] + (ports.given[0] if recipe.conditional_d else 0)


def stages_of_d(recipe: TranslationRecipe, published: int, most: int, ports: TranslationPorts) -> int:
    """Return the number of stride-2 layers of a discriminator. Raises a UserError for more than the size allows."""
    if recipe.patch_layers > most:
        raise UserError(
            f"recipe.patch_layers={recipe.patch_layers} is too much for images of {sides(ports.shape)} pixels; set at most {most}, or 0 for a fitting number"
        )
    return recipe.patch_layers or min(published, most)


def halvings(shape: Sequence[int]) -> int:
    """Return how often the smaller side of an image of this shape, rounded up to a power of 2, can be halved until it is 1."""
    return math.ceil(math.log2(min(shape[1:])))
