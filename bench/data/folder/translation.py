"""A folder for image translation as a dataset: pairs in two folders, pairs side by side in one picture, or two sides without pairs."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from pydantic import BaseModel, ConfigDict

from bench.core.errors import UserError
from bench.core.spec import DataShape, Examples, Split
from bench.data import cache
from bench.data.folder.layout import ImageFile, Listing
from bench.data.folder.name import LEAST_SIZE, MOST_GUESSED, SCHEME, Options, Pairs, quoted, spell
from bench.data.folder.pack import Packed, Packing, pack, source_folder
from bench.data.folder.pixels import Crop, Half, Header, header
from bench.data.folder.sides import SIDES, Side, Sides
from bench.data.folder.splits import test_share
from bench.data.progress import progress

LOOK = "look-{pairs}.json"
_PARTS: dict[Side, Half] = {"A": "left", "B": "right"}


@dataclass(frozen=True, kw_only=True)
class TranslationFolder:
    """Dataset of the two sides of a folder, with every option resolved. A is given, and B is to be made. Both sides have the same options."""

    found: Sides | Listing  # a listing has both sides in each picture
    pairs: Pairs
    size: int
    crop: Crop
    channels: int
    test: Fraction  # the share of the test split, or GIVEN
    claims: bool = True
    class_names: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Canonical name, with the value of every option."""
        return f"{SCHEME}:" + spell(
            self.found.root, size=self.size, crop=self.crop, channels=self.channels, test=self.test, all_classes=False, pairs=self.pairs
        )

    @property
    def title(self) -> str:
        """Name for reports, e.g. "facades (folder of pairs, 64x64 RGB)"."""
        what = "folder of two sides" if self.pairs == "none" else "folder of pairs"
        colour = "grey" if self.channels == 1 else "RGB"
        return f"{self.found.root.name or self.found.root} ({what}, {self.size}x{self.size} {colour})"

    @property
    def spec(self) -> DataShape:
        """Shape of the square images of both sides."""
        shape = (self.channels, self.size, self.size)
        return DataShape(kind="image", shape=shape, task="unpaired" if self.pairs == "none" else "paired", given=shape)

    def digest(self) -> str:
        """Return the SHA-256 of the packed images of both sides and both splits, and of whether they are pairs."""
        content = [self.spec.task, *(self._packed[side].card.digest for side in SIDES)]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def split(self, name: Split) -> Examples:
        """Return images uint8 [N, C, H, W] of both sides, over memory maps."""
        if name not in ("train", "test"):
            raise UserError(f"{self.title} has the splits train and test, not {name!r}")
        given, target = (self._packed[side].split(name) for side in SIDES)
        return Examples(data=target.data, given=given.data, aligned=self.pairs != "none")

    def missing(self) -> str | None:
        """Return None: the first use packs the images."""
        return None

    def fetch(self) -> str:
        """Pack the images into the cache if it lacks them. Return a description of the folder, its splits and the cache entries."""
        given, target = (self._packed[side] for side in SIDES)
        where = f"packed in {given.entry} and {target.entry}"
        if self.pairs == "none":
            sizes = [
                f"{card.train:,} and {card.test:,} on side {side}" for side, card in zip(SIDES, (given.card, target.card), strict=True)
            ]
            return f"{self.found.root} (no pairs; training and test images: {', '.join(sizes)}), {where}"
        return f"{self.found.root} ({target.card.train:,} training and {target.card.test:,} test pairs), {where}"

    def _files(self, side: Side) -> dict[Split, tuple[ImageFile, ...]]:
        return self.found.split(side, self.test) if isinstance(self.found, Sides) else self.found.split(self.test)

    @cached_property
    def _packed(self) -> dict[Side, Packed]:
        return {side: pack(self._packing(side)) for side in SIDES}

    def _packing(self, side: Side) -> Packing:
        return Packing(
            dataset=f"{self.name}#{side}", listing=self.found, splits=self._files(side), size=self.size, crop=self.crop,
            channels=self.channels, half="" if isinstance(self.found, Sides) else _PARTS[side],
        )  # fmt: skip


def make_translation(found: Sides | Listing, pairs: Pairs, options: Options) -> TranslationFolder:
    """Return the dataset of two sides. Raises a UserError for sides or pictures that do not fit the options."""
    if found.class_names:
        raise UserError(
            f"pairs={pairs} takes images without class folders, but {quoted(found.root)} has the class {found.class_names[0]!r}"
        )
    test = test_share(found.root, found.splits, options.test)
    headers = look_at_sides(found, pairs)
    if options.channels == 3 and headers.made_grey:
        raise UserError(
            f"channels=3 needs colour, but all images to make in {quoted(found.root)} are grey: leave the option out, or set channels=1"
        )
    if options.size is None and not headers.size:
        raise UserError(
            f"folder:{found.root} needs size=N, e.g. size=32: its images are not all square, of one size and "
            f"of {LEAST_SIZE} to {MOST_GUESSED} pixels ({headers.odd})"
        )
    return TranslationFolder(
        found=found,
        pairs=pairs,
        size=options.size or headers.size,
        crop=options.crop,
        channels=options.channels or headers.channels,
        test=test,
    )


class SidesLook(BaseModel):
    """Summary of the headers of all images of both sides. It is cached, and stored only if the images fit together."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    stamp: str
    size: int  # of all images (or halves) if they are square, small and of one size; else 0
    odd: str  # name and size of an image that does not fit, or empty
    channels: int  # 1 if all images are grey, else 3
    made_grey: bool  # whether all images to make are grey


def look_at_sides(found: Sides | Listing, pairs: Pairs) -> SidesLook:
    """Return the summary of the headers. It reads them at most once for each state of a folder.

    Raises a UserError for a pair of unequal sizes, and for a picture that does not divide into two halves.
    """
    path = source_folder(found.root) / LOOK.format(pairs=pairs)
    try:
        stored = SidesLook.model_validate_json(path.read_bytes())
        if stored.stamp == found.stamp:
            return stored
    except (OSError, ValueError):
        pass  # missing or damaged: read the headers
    headers = _read_headers(found, pairs)
    with cache.locked(path.parent):
        cache.write_atomic(path, headers.model_dump_json().encode())
    return headers


def _read_headers(found: Sides | Listing, pairs: Pairs) -> SidesLook:
    files = found.pictures if isinstance(found, Listing) else [file for side in SIDES for file in found.pictures[side]]
    with progress(f"reading image headers of {found.root.name or found.root}", len(files)) as advance:
        heads: dict[str, Header] = {}
        for file in files:
            heads[file.name] = header(found.root / file.name)
            advance(1)
    if pairs == "side-by-side":
        heads = {name: _half(found, name, head) for name, head in heads.items()}
    if pairs == "folders" and isinstance(found, Sides):
        for a, b in zip(found.pictures["A"], found.pictures["B"], strict=True):
            _check_sizes(found, (a.name, heads[a.name]), (b.name, heads[b.name]))
    size = next(iter(heads.values())).width
    odd = [name for name, head in heads.items() if not (head.width == head.height == size and LEAST_SIZE <= size <= MOST_GUESSED)]
    targets = [file.name for file in (found.pictures if isinstance(found, Listing) else found.pictures["B"])]
    return SidesLook(
        stamp=found.stamp,
        size=0 if odd else size,
        odd=f"{odd[0]!r} is {heads[odd[0]].width}x{heads[odd[0]].height}" if odd else "",
        channels=1 if all(head.grey for head in heads.values()) else 3,
        made_grey=all(heads[name].grey for name in targets),
    )


def _half(found: Sides | Listing, name: str, head: Header) -> Header:
    """Return the header of each half of a picture."""
    if head.width % 2:
        raise UserError(
            f"the picture {quoted(found.root / name)} is {head.width} pixels wide, which does not divide into two halves: repair or remove it"
        )
    return Header(width=head.width // 2, height=head.height, grey=head.grey)


def _check_sizes(found: Sides, a: tuple[str, Header], b: tuple[str, Header]) -> None:
    sizes = [f"{name!r} is {head.width}x{head.height}" for name, head in (a, b)]
    if (a[1].width, a[1].height) != (b[1].width, b[1].height):
        raise UserError(f"a pair in {quoted(found.root)} has two sizes: {' and '.join(sizes)}; scale one of them, or remove both")
