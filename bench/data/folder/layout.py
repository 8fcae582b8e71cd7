"""The images of a folder, their labels and their splits. It reads names, sizes and times, and opens no image."""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from bench.core.errors import UserError
from bench.core.spec import Split
from bench.data.folder.checks import check_class_folder, check_classes, check_folder, check_mixed
from bench.data.folder.name import quoted
from bench.data.folder.splits import Splits, check_class_names, find_splits

log = logging.getLogger(__name__)

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")
_SEED = 0
_SETTLED_NS = 2 * 10**9  # a folder that is this old when it is read gets a new time at any later change


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageFile:
    """Record of one image file."""

    name: str  # relative to the root, with / between its parts
    label: int  # -1: unlabelled
    size_bytes: int
    mtime_ns: int


@dataclass(frozen=True, kw_only=True, eq=False)  # compared and hashed by identity, because there may be a million images
class Listing:
    """All images of a folder, sorted by name."""

    root: Path
    pictures: tuple[ImageFile, ...]
    class_names: tuple[str, ...]  # empty: unlabelled
    splits: Splits | None  # the folders that are the splits, if any are
    all_classes: bool  # whether folders are classes whatever their names
    folders: tuple[tuple[Path, int], ...]  # all folders, with their times of change
    read_ns: int
    others: str = ""  # a description of the files that are not images

    @cached_property
    def stamp(self) -> str:
        """Hash of all names, sizes and times of change. It differs after a change of any image."""
        return stamp_of(self.pictures)

    def split(self, share: Fraction) -> dict[Split, tuple[ImageFile, ...]]:
        """Return the training and test images: by the folders of the splits, or else with a fixed pseudo-random share as test split."""
        return _split(self, share)

    def read_again(self) -> Listing:
        """Scan the folder again with the same options, and return the new listing."""
        return scan(self.root, all_classes=self.all_classes, given_splits=self.splits is not None)

    def is_current(self) -> bool:
        """Return whether the folders are unchanged: no file is added, removed or replaced since they were read."""
        return is_unchanged(self.folders, self.read_ns)


def stamp_of(pictures: Sequence[ImageFile]) -> str:
    """Return the hash of names, sizes and times of change."""
    content = hashlib.sha256()
    for picture in pictures:
        content.update(os.fsencode(picture.name) + f"\0{picture.size_bytes}\0{picture.mtime_ns}\0".encode())
    return content.hexdigest()


def is_unchanged(folders: Sequence[tuple[Path, int]], read_ns: int) -> bool:
    """Return whether folders have the same times of change as when they were read."""
    try:
        now = [os.stat(folder).st_mtime_ns for folder, _ in folders]
    except OSError:
        return False
    before = [mtime_ns for _, mtime_ns in folders]
    return now == before and max(before) < read_ns - _SETTLED_NS


@lru_cache(maxsize=4)
def _split(found: Listing, share: Fraction) -> dict[Split, tuple[ImageFile, ...]]:
    """Return the splits. NumPy does not change RandomState's stream (NEP 19), so they are the same in every version of NumPy."""
    if found.splits:
        test = np.array([picture.name.startswith(f"{found.splits.test}/") for picture in found.pictures])
    else:
        n = len(found.pictures)
        test = np.zeros(n, dtype=np.bool_)
        test[np.random.RandomState(_SEED).permutation(n)[: min(n - 1, max(1, round(n * share)))]] = True
    pairs = list(zip(found.pictures, test.tolist(), strict=True))
    return {"train": tuple(p for p, is_test in pairs if not is_test), "test": tuple(p for p, is_test in pairs if is_test)}


_last: dict[tuple[Path, bool, bool], Listing] = {}


def listing(root: Path, *, all_classes: bool = False, given_splits: bool = False) -> Listing:
    """Return the listing of a folder. It is cached until the folder changes, because a run looks up its dataset many times."""
    key = (root, all_classes, all_classes and given_splits)
    known = _last.get(key)
    if known is not None and known.is_current():
        return known
    found = _last[key] = scan(root, all_classes=all_classes, given_splits=given_splits)
    if found.others and known is None:  # once: the user may think that these files are images
        log.warning("%s: ignoring %s", root, found.others)
    return found


def scan(root: Path, *, all_classes: bool = False, given_splits: bool = False) -> Listing:
    """Read a folder: images, class folders of images, or a training and a test folder of either. Raises a UserError for other layouts.

    With `all_classes`, all folders are classes, whatever their names. These are the folders in the splits with `given_splits`, else those at
    the top.
    """
    check_folder(root)
    reader = Reader(root, all_classes=all_classes)
    top = reader.read(root)
    check_mixed(root, [name for name, _ in top.images], top.folders)
    splits = find_splits(root, sorted(top.folders)) if given_splits or not all_classes else None
    if splits:
        train, test = (reader.part(f"{name}/") for name in (splits.train, splits.test))
        check_classes(root, splits, train.class_names, test.class_names)
        class_names, pictures = train.class_names, [*train.pictures, *test.pictures]
    else:
        part = reader.part("", top)
        class_names, pictures = part.class_names, part.pictures
    if len(pictures) < 2:
        raise UserError(f"there is one image in {quoted(root)}: add at least one more, because the test split needs one")
    return Listing(
        root=root, pictures=tuple(sorted(pictures, key=lambda picture: picture.name)), class_names=class_names, splits=splits,
        all_classes=all_classes, folders=tuple(reader.folders), read_ns=reader.start_ns, others=kinds_of(reader.others) if reader.others else "",
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Contents:
    """Direct contents of one folder."""

    images: list[tuple[str, os.stat_result]]
    folders: list[str]
    others: Counter[str]  # files of other kinds, by suffix


@dataclass(frozen=True, kw_only=True)
class _Part:
    """Images of a folder, which contains either images or class folders."""

    pictures: list[ImageFile]
    class_names: tuple[str, ...]


class Reader:
    """Reader of the folders of one root. It collects their times of change and counts the files of other kinds."""

    def __init__(self, root: Path, *, all_classes: bool) -> None:
        self.root = root
        self.all_classes = all_classes
        self.start_ns = time.time_ns()
        self.folders: list[tuple[Path, int]] = []
        self.others: Counter[str] = Counter()

    def part(self, prefix: str, contents: Contents | None = None) -> _Part:
        """Return the images under root/prefix, with labels if they are in class folders."""
        folder = self.root / prefix
        top = contents or self.read(folder)
        if contents is None:
            check_mixed(folder, [name for name, _ in top.images], top.folders)
            if not self.all_classes:
                check_class_names(folder, sorted(top.folders))
        if not top.folders:
            check_some(folder, top)
            return _Part(pictures=[picture_file(prefix, name, -1, found) for name, found in top.images], class_names=())
        class_names = tuple(sorted(top.folders))
        pictures = [
            picture_file(f"{prefix}{class_name}/", name, label, found)
            for label, class_name in enumerate(class_names)
            for name, found in self._class(folder / class_name).images
        ]
        return _Part(pictures=pictures, class_names=class_names)

    def _class(self, folder: Path) -> Contents:
        check_class_folder(self.root, folder)
        contents = self.read(folder)
        if contents.folders:
            advice = "; add ,test=given to the name if the two folders at the top are the splits" if self.all_classes else ""
            raise UserError(
                f"{quoted(folder)} contains the folder {sorted(contents.folders)[0]!r}, but a class folder contains only images: "
                f"move them up, or put the class folders into a training and a test folder at the top{advice}"
            )
        check_some(folder, contents)
        return contents

    def read(self, folder: Path) -> Contents:
        """Return the contents of a folder. It ignores hidden files, and counts files of other kinds for one warning."""
        contents = Contents(images=[], folders=[], others=Counter())
        for entry in self._entries(folder):
            if entry.name.startswith("."):
                continue
            try:
                if entry.is_dir():
                    contents.folders.append(entry.name)
                elif entry.name.lower().endswith(SUFFIXES):
                    contents.images.append((entry.name, _regular(entry)))
                else:
                    contents.others[Path(entry.name).suffix.lower() or "no suffix"] += 1
            except OSError as error:
                raise UserError(f"cannot read {quoted(entry.path)} ({error.strerror or error}): remove it or make it readable") from error
        self.others.update(contents.others)
        return contents

    def _entries(self, folder: Path) -> Iterator[os.DirEntry[str]]:
        try:
            self.folders.append((folder, os.stat(folder).st_mtime_ns))
            with os.scandir(folder) as entries:
                yield from entries
        except OSError as error:
            raise UserError(f"cannot read the folder {quoted(folder)} ({error.strerror or error}): make it readable") from error


def picture_file(prefix: str, name: str, label: int, found: os.stat_result) -> ImageFile:
    """Return the record of an image file from its folder, with a / at the end, and its name."""
    return ImageFile(name=prefix + name, label=label, size_bytes=found.st_size, mtime_ns=found.st_mtime_ns)


def _regular(entry: os.DirEntry[str]) -> os.stat_result:
    found = entry.stat()
    if not stat.S_ISREG(found.st_mode):
        raise OSError(0, "it is not a regular file")  # a read from a pipe may never return
    return found


def check_some(folder: Path, contents: Contents) -> None:
    """Raise a UserError for a folder without images."""
    if not contents.images:
        others = f"; it contains {kinds_of(contents.others)}" if contents.others else ""
        raise UserError(
            f"there are no images in {quoted(folder)} ({', '.join(suffix[1:] for suffix in SUFFIXES)}){others}: add images, or name another folder"
        )


def kinds_of(suffixes: Counter[str]) -> str:
    """Return a description of files that are not images, by their suffixes."""
    kinds = ", ".join(f"{suffix} ({count:,})" for suffix, count in sorted(suffixes.items())[:5])
    return f"files that are not images: {kinds}" + (", ..." if len(suffixes) > 5 else "")
