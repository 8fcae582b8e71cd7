"""Emoji: about 3,800 small colour pictures of the font Noto Color Emoji, without variants of one emoji in both splits."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from bench.core.errors import UserError
from bench.core.spec import DataShape, Examples, Split
from bench.data import fetched
from bench.data.emoji.families import SKIN_TONES, family_of, is_flag, is_people
from bench.data.emoji.font import Emoji, read_font
from bench.data.emoji.pictures import picture
from bench.data.fetched import KnownFile, KnownFiles
from bench.data.sources import Source, Unavailable, debian_package, folder

PACKAGE = "fonts-noto-color-emoji"
INSIDE = "usr/share/fonts/truetype/noto"  # folder of the package's file
VERSION = "2.042"  # of the font in Debian 12
FONT = KnownFile(
    name="NotoColorEmoji.ttf", size_bytes=10_980_856, sha256="e5899ed38b8ed83e08bd3ac5de09791e9d19d288333a796de1d35ad17396f1ec"
)
OTHER, PEOPLE, FLAG = range(3)
CLASS_NAMES = ("other", "people and hands", "flags")
TEST_SHARE = 1 / 7  # as in MNIST
_SEED = 0
_DEFINITION = 1  # increased when pictures, labels or splits change


@dataclass(frozen=True, kw_only=True)
class NotoFont(KnownFiles):
    """The font file, in the cache."""

    @property
    def files(self) -> tuple[KnownFile, ...]:
        """The one file."""
        return (FONT,)

    @property
    def by_hand(self) -> str:
        """Instruction to put the font into the cache by hand."""
        return f"{FONT.name} of version {VERSION} (package {PACKAGE} of Debian 12) into {self.folder}"


def of_this_version(source: Source) -> Source:
    """Return a source that is unavailable if its font has another version: other pictures are other data."""

    def read(sizes: Mapping[str, int]) -> dict[str, bytes]:
        found = source.read(sizes)
        if hashlib.sha256(found[FONT.name]).hexdigest() != FONT.sha256:
            raise Unavailable(f"its font is not version {VERSION}, and other pictures are other data")
        return found

    return Source(name=source.name, read=read, probe=source.probe)


@dataclass(frozen=True, kw_only=True)
class EmojiImages:
    """Dataset of the pictures of a font as RGB images on white. Labels: people and hands, flags, and all others.

    The font tells the labels: a flag is a sequence of letters for a country or region, and people and hands take skin tones.
    """

    name: str
    title: str
    font: NotoFont
    side: int
    claims: bool = True
    class_names: tuple[str, ...] = CLASS_NAMES
    licence: str = "OFL-1.1"
    attribution: str = f"Noto Color Emoji {VERSION}, copyright 2022 Google Inc."

    @property
    def spec(self) -> DataShape:
        """Shape of the square colour images."""
        return DataShape(kind="image", shape=(3, self.side, self.side), classes=len(self.class_names))

    @property
    def sources(self) -> Sequence[Source]:
        """Sources of the font."""
        return self.font.sources

    @property
    def files(self) -> Sequence[KnownFile]:
        """The file of the font."""
        return self.font.files

    def digest(self) -> str:
        """Return the SHA-256 of the font's known hash and the definition of pictures, labels and splits. It needs no file."""
        definition = f"emoji {_DEFINITION} seed {_SEED} test {TEST_SHARE:.6f} side {self.side} of {self.font.digest()}"
        return hashlib.sha256(definition.encode()).hexdigest()

    def split(self, name: Split) -> Examples:
        """Return images uint8 [N, 3, H, W] and labels [N], fetched if missing. Each process draws them once."""
        if name not in ("train", "test"):
            raise UserError(f"{self.name} has the splits train and test, not {name!r}")
        return _draw(self, self.font.folder, name)

    def missing(self) -> str | None:
        """Return the reason why the font cannot be loaded now, or None. Uses no network."""
        return fetched.missing(self.font)

    def fetch(self) -> str:
        """Fetch the font unless it is cached, and return its source."""
        return fetched.fetch(self.font)


@lru_cache(maxsize=4)
def _draw(dataset: EmojiImages, folder: Path, name: Split) -> Examples:
    """Return one split, cached for the process. `folder` is part of the key, because the cache can move."""
    chosen = split_emoji(_emoji(dataset.font, folder))[name]
    images = np.stack([picture(emoji.png, dataset.side) for emoji, _ in chosen])
    return Examples(data=torch.from_numpy(images), labels=torch.tensor([label for _, label in chosen]))


@lru_cache(maxsize=1)
def _emoji(font: NotoFont, folder: Path) -> tuple[Emoji, ...]:
    (content,) = font.contents(font.files)
    return read_font(bytes(content))


def split_emoji(emoji: Sequence[Emoji]) -> dict[Split, list[tuple[Emoji, int]]]:
    """Return the emoji of both splits with their labels. All variants of an emoji are in one split.

    A random seventh of the pictures of each label is the test split, in complete families. NumPy does not change RandomState's stream
    (NEP 19), so the splits are the same in every version of NumPy.
    """
    tones = {family_of(one.sequence) for one in emoji if SKIN_TONES & set(one.sequence)}
    families: dict[tuple[int, ...], list[Emoji]] = {}
    for one in emoji:
        families.setdefault(family_of(one.sequence), []).append(one)
    stream = np.random.RandomState(_SEED)
    test: set[tuple[int, ...]] = set()
    labels: dict[tuple[int, ...], int] = {
        family: FLAG if is_flag(family) else PEOPLE if is_people(family, tones) else OTHER for family in sorted(families)
    }
    for label in range(len(CLASS_NAMES)):
        names = [family for family, of in labels.items() if of == label]
        wanted = TEST_SHARE * sum(len(families[family]) for family in names)
        count = 0
        for index in stream.permutation(len(names)):
            size = len(families[names[index]])
            if count + size <= wanted:
                test.add(names[index])
                count += size
    splits: dict[Split, list[tuple[Emoji, int]]] = {"train": [], "test": []}
    for one in emoji:
        family = family_of(one.sequence)
        splits["test" if family in test else "train"].append((one, labels[family]))
    return splits


NOTO = NotoFont(
    name="emoji",
    title="Noto Color Emoji",
    sources=(of_this_version(folder(Path("/") / INSIDE)), of_this_version(debian_package(PACKAGE, INSIDE))),
)
EMOJI = EmojiImages(name="emoji", title="Emoji, 64 pixels", font=NOTO, side=64)
EMOJI_32 = EmojiImages(name="emoji-32", title="Emoji, 32 pixels", font=NOTO, side=32)
