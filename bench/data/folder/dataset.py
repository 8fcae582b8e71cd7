"""Any folder of images as a dataset: `folder:PATH[,size=N][,crop=center|none][,channels=1|3][,test=SHARE][,classes=all][,pairs=KIND]`."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from pydantic import BaseModel, ConfigDict

from bench.core.errors import UserError
from bench.core.spec import DataShape, Examples, Split
from bench.data import cache
from bench.data.folder.layout import Listing, listing
from bench.data.folder.name import GIVEN, LEAST_SIZE, MOST_GUESSED, SCHEME, parse, spell
from bench.data.folder.pack import Packed, Packing, pack, source_folder
from bench.data.folder.pixels import Crop, header
from bench.data.folder.sides import sides_of
from bench.data.folder.splits import test_share
from bench.data.folder.translation import TranslationFolder, make_translation
from bench.data.progress import progress

LOOK = "look.json"


@dataclass(frozen=True, kw_only=True)
class FolderDataset:
    """Dataset of the images of a folder, with every option resolved. Only `digest`, `split` and `fetch` decode images."""

    listing: Listing
    size: int
    crop: Crop
    channels: int
    test: Fraction  # the share of the test split, or GIVEN
    claims: bool = True

    @property
    def name(self) -> str:
        """Canonical name, with the value of every option."""
        return f"{SCHEME}:" + spell(
            self.listing.root, size=self.size, crop=self.crop, channels=self.channels, test=self.test,
            all_classes=self.listing.all_classes,
        )  # fmt: skip

    @property
    def title(self) -> str:
        """Name for reports, e.g. "photos (folder, 32x32 RGB)"."""
        colour = "grey" if self.channels == 1 else "RGB"
        return f"{self.listing.root.name or self.listing.root} (folder, {self.size}x{self.size} {colour})"

    @property
    def class_names(self) -> tuple[str, ...]:
        """Sorted names of the class folders. Label k is the k-th name."""
        return self.listing.class_names

    @property
    def spec(self) -> DataShape:
        """Shape of the square images, and the number of class folders."""
        return DataShape(kind="image", shape=(self.channels, self.size, self.size), classes=len(self.class_names))

    def digest(self) -> str:
        """Return the SHA-256 of the packed images and labels of both splits."""
        return self._packed.card.digest

    def split(self, name: Split) -> Examples:
        """Return images uint8 [N, C, H, W] over a memory map, and labels [N] if the folder has class folders."""
        if name not in ("train", "test"):
            raise UserError(f"{self.title} has the splits train and test, not {name!r}")
        return self._packed.split(name)

    def missing(self) -> str | None:
        """Return None: `make` raises a UserError for a missing folder, and the first use packs the images."""
        return None

    def fetch(self) -> str:
        """Pack the images into the cache if it lacks them. Return a description of the folder, its splits and the cache entry."""
        card, entry = self._packed.card, self._packed.entry
        classes = f"{len(self.class_names)} classes" if self.class_names else "no labels"
        return f"{self.listing.root} ({card.train:,} training and {card.test:,} test images, {classes}), packed in {entry}"

    @cached_property
    def _packed(self) -> Packed:
        packing = Packing(
            dataset=self.name, listing=self.listing, splits=self.listing.split(self.test),
            size=self.size, crop=self.crop, channels=self.channels,
        )  # fmt: skip
        return pack(packing)


def make(text: str) -> FolderDataset | TranslationFolder:
    """Return the dataset for the text after `folder:`. It reads names, sizes and times, and opens images only to guess size or channels.

    Of a folder for image translation, it reads the header of every image.
    """
    path, options = parse(text)
    sides = None if options.all_classes or options.pairs == "side-by-side" else sides_of(path, options.pairs)
    if sides is not None:
        return make_translation(sides, sides.pairs, options)
    found = listing(path, all_classes=options.all_classes, given_splits=options.test == GIVEN)
    if options.pairs is not None:
        return make_translation(found, options.pairs, options)
    size, channels = options.size, options.channels
    test = test_share(found.root, found.splits, options.test)
    if size is None or channels is None:
        headers = look(found)
        size, channels = size or _guessed_size(found, headers), channels or headers.channels
    return FolderDataset(listing=found, size=size, crop=options.crop, channels=channels, test=test)


class Look(BaseModel):
    """Summary of the headers of all images. It is cached, so that a name without options is as fast as a name with all options."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    stamp: str
    size: int  # of all images if they are square, small and of one size; else 0
    odd: str  # name and size of an image that does not fit, or empty
    channels: int  # 1 if all images are grey, else 3


def look(found: Listing) -> Look:
    """Return the summary of the headers. It reads them at most once for each state of a folder."""
    path = source_folder(found.root) / LOOK
    try:
        stored = Look.model_validate_json(path.read_bytes())
        if stored.stamp == found.stamp:
            return stored
    except (OSError, ValueError):
        pass  # missing or damaged: read the headers
    headers = _read_headers(found)
    with cache.locked(path.parent):
        cache.write_atomic(path, headers.model_dump_json().encode())
    return headers


def _read_headers(found: Listing) -> Look:
    """Read headers until the summary cannot change any more."""
    size, odd, channels = 0, "", 1
    with progress(f"reading image headers of {found.root.name or found.root}", len(found.pictures)) as advance:
        for picture in found.pictures:
            head = header(found.root / picture.name)
            advance(1)
            channels = channels if head.grey else 3
            size = size or head.width
            fits = head.width == head.height == size and LEAST_SIZE <= size <= MOST_GUESSED
            odd = odd or ("" if fits else f"{picture.name!r} is {head.width}x{head.height}")
            if odd and channels == 3:
                break
    return Look(stamp=found.stamp, size=0 if odd else size, odd=odd, channels=channels)


def _guessed_size(found: Listing, headers: Look) -> int:
    if not headers.size:
        raise UserError(
            f"folder:{found.root} needs size=N, e.g. size=32: its images are not all square, of one size and "
            f"of {LEAST_SIZE} to {MOST_GUESSED} pixels ({headers.odd})"
        )
    return headers.size
