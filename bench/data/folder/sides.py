"""The two sides of a folder for image translation: A, which is given, and B, which is to be made. It opens no image."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from bench.core.errors import UserError
from bench.core.spec import Split
from bench.data.folder.layout import SUFFIXES, ImageFile, Reader, check_some, is_unchanged, kinds_of, picture_file, stamp_of
from bench.data.folder.name import Pairs, quoted
from bench.data.folder.splits import Splits, split_name

log = logging.getLogger(__name__)

Side = Literal["A", "B"]
SIDES: tuple[Side, ...] = get_args(Side)
Places = Mapping[tuple[Side, Split | None], str]  # folder of each side and split, relative to the root; None: the folder has both splits
_SEED = 0
_MOST_FOLDERS = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Sides:
    """All images of both sides. In pairs, entry i of A belongs to entry i of B."""

    root: Path
    pairs: Pairs
    pictures: Mapping[Side, tuple[ImageFile, ...]]  # sorted by their names within the side
    is_test: Mapping[Side, tuple[bool, ...]] | None  # None: the splits are a share
    splits: Splits | None  # names of the folders of the splits
    folders: tuple[tuple[Path, int], ...]
    read_ns: int
    others: str = ""
    class_names: tuple[str, ...] = ()

    @cached_property
    def stamp(self) -> str:
        """Hash of all names, sizes and times of change of both sides."""
        return hashlib.sha256("".join(stamp_of(self.pictures[side]) for side in SIDES).encode()).hexdigest()

    def read_again(self) -> Sides:
        """Scan the folder again, and return the new sides."""
        return scan_sides(self.root, find_places(self.root) or {}, self.pairs)

    def is_current(self) -> bool:
        """Return whether the folders are unchanged since they were read."""
        return is_unchanged(self.folders, self.read_ns)

    def split(self, side: Side, share: Fraction) -> dict[Split, tuple[ImageFile, ...]]:
        """Return training and test images of a side: by the folders, or with a pseudo-random share, the same for both sides of pairs."""
        pictures = self.pictures[side]
        if self.is_test is not None:
            test = np.array(self.is_test[side])
        else:
            n = len(pictures)
            test = np.zeros(n, dtype=np.bool_)
            test[np.random.RandomState(_SEED).permutation(n)[: min(n - 1, max(1, round(n * share)))]] = True
        marked = list(zip(pictures, test.tolist(), strict=True))
        return {"train": tuple(p for p, is_test in marked if not is_test), "test": tuple(p for p, is_test in marked if is_test)}


_last: dict[tuple[Path, Pairs | None], Sides] = {}


def sides_of(root: Path, pairs: Pairs | None) -> Sides | None:
    """Return the sides of a folder, or None if its folders have no names of sides. They are cached until the folder changes.

    Folders A and B are sides of pairs, and trainA, trainB, testA and testB are sides without pairs, unless `pairs` says otherwise.
    """
    known = _last.get((root, pairs))
    if known is not None and known.is_current():
        return known
    places = find_places(root)
    if places is None:
        if pairs is not None:
            raise UserError(
                f"pairs={pairs} needs the folders 'A' and 'B', or 'trainA', 'trainB', 'testA' and 'testB', in {quoted(root)}: "
                "make them, or leave the option out"
            )
        return None
    has_words = any(folder not in SIDES and "/" not in folder for folder in places.values())  # trainA, ...
    usual: Pairs = "none" if has_words else "folders"
    found = _last[root, pairs] = scan_sides(root, places, pairs or usual)
    if found.others and known is None:  # once: the user may think that these files are images
        log.warning("%s: ignoring %s", root, found.others)
    return found


def find_places(root: Path) -> Places | None:
    """Return the folders of both sides, or None if the names of the folders mean no sides. Raises a UserError if one is missing."""
    top = _folders(root)
    if set(top) == set(SIDES):
        return _splits_in_sides(root) or {(side, None): side for side in SIDES}
    names = [name for name in map(split_name, top) if name is not None and not name.is_short]
    if len(names) != len(top) or {name.role for name in names} - {"train", "test"}:
        return None
    if {name.domain for name in names} == {"a", "b"}:
        return _sides_by_name(root, {(name.domain.upper(), name.role): name.folder for name in names}, top)
    if (
        len(top) == 2
        and {name.role for name in names} == {"train", "test"}
        and all(set(_folders(root / name)) == set(SIDES) for name in top)
    ):
        return {(side, _split(name.role)): f"{name.folder}/{side}" for name in names for side in SIDES}
    return None


def _sides_by_name(root: Path, folders: Mapping[tuple[str, str], str], top: Sequence[str]) -> Places:
    """Return the places of trainA, trainB, testA and testB, or of trainA and trainB."""
    splits: tuple[Split, ...] = ("train", "test") if any(role == "test" for _, role in folders) else ("train",)
    for split in splits:
        for side in SIDES:
            if (side, split) not in folders:
                raise UserError(
                    f"{quoted(root)} contains {', '.join(map(repr, top))}, but no '{split}{side}': image translation needs 'trainA' and "
                    "'trainB', and 'testA' and 'testB' or neither of them. To train on one side alone, name its folder"
                )
    if len(splits) == 1:
        return {(side, None): folders[side, "train"] for side in SIDES}
    return {(side, split): folders[side, split] for side in SIDES for split in splits}


def _splits_in_sides(root: Path) -> Places | None:
    """Return the places of A/train, A/test, B/train and B/test, or None if A and B contain no folders of splits."""
    places: dict[tuple[Side, Split | None], str] = {}
    for side in SIDES:
        inside = _folders(root / side)
        names = [name for name in map(split_name, inside) if name is not None]
        if len(inside) != 2 or {name.role for name in names} != {"train", "test"}:
            return None
        places |= {(side, _split(name.role)): f"{side}/{name.folder}" for name in names}
    return places


def _split(role: str) -> Split:
    return "test" if role == "test" else "train"


def _folders(root: Path) -> list[str]:
    """Return the names of the folders in a folder, sorted. Return none if it contains images, or more folders than a layout of sides."""
    found: list[str] = []
    try:
        with os.scandir(root) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    found.append(entry.name)
                if len(found) > _MOST_FOLDERS or entry.name.lower().endswith(SUFFIXES):
                    return []
    except OSError:
        return []  # the scan for a plain folder has the error message
    return sorted(found)


def scan_sides(root: Path, places: Places, pairs: Pairs) -> Sides:
    """Read the images of both sides. Raises a UserError for an empty side, a side with one image, and names without a partner."""
    reader = Reader(root, all_classes=True)
    reader.read(root)
    rows: dict[Side, list[tuple[str, bool, ImageFile]]] = {side: [] for side in SIDES}
    for (side, split), folder in places.items():
        contents = reader.read(root / folder)
        if contents.folders:
            raise UserError(
                f"{quoted(root / folder)} contains the folder {contents.folders[0]!r}, but a side contains only images: move them up"
            )
        check_some(root / folder, contents)
        if len(contents.images) < 2 and split != "test":
            raise UserError(f"there is one image in {quoted(root / folder)}: a side of image translation needs at least two")
        rows[side] += [(Path(name).stem, split == "test", picture_file(f"{folder}/", name, -1, found)) for name, found in contents.images]
    has_splits = None not in {split for _, split in places}
    for side in SIDES:
        rows[side].sort(key=lambda row: (row[1], row[0], row[2].name))
    if pairs == "folders":
        _check_names(root, {side: [(is_test, key) for key, is_test, _ in rows[side]] for side in SIDES})
    train, test = (places.get(("A", split), "") for split in ("train", "test"))
    return Sides(
        root=root, pairs=pairs, pictures={side: tuple(picture for *_, picture in rows[side]) for side in SIDES},
        is_test={side: tuple(is_test for _, is_test, _ in rows[side]) for side in SIDES} if has_splits else None,
        splits=Splits(train=train, test=test) if has_splits else None, folders=tuple(reader.folders), read_ns=reader.start_ns,
        others=kinds_of(reader.others) if reader.others else "",
    )  # fmt: skip


def _check_names(root: Path, names: Mapping[Side, Sequence[tuple[bool, str]]]) -> None:
    """Raise a UserError unless both sides have the same names in each split, each of them once."""
    for side in SIDES:
        twice = [name for name, after in zip(names[side], names[side][1:], strict=False) if name == after]
        if twice:
            raise UserError(
                f"side {side} of {quoted(root)} has two images named {twice[0][1]!r}: a pair is two images of equal name, so rename one"
            )
    odd = sorted(set(names["A"]) ^ set(names["B"]), key=lambda name: name[1])
    if odd:
        has, lacks = ("A", "B") if odd[0] in names["A"] else ("B", "A")
        raise UserError(
            f"{quoted(root)} has {odd[0][1]!r} on side {has} but not on side {lacks} ({len(odd):,} names in all have no partner): give both "
            "images of a pair the same name, or add ,pairs=none if there are no pairs, or ,classes=all if A and B are classes"
        )
