"""Checks of a folder of images. Each raises a UserError that names the wrong file or folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from bench.core.errors import UserError, nearest
from bench.data.folder.name import quoted
from bench.data.folder.splits import Splits


def check_folder(root: Path) -> None:
    """Raise a UserError unless the path is a folder."""
    try:
        found = os.stat(root)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UserError(f"there is no folder {quoted(root)}" + _neighbours(root)) from error
    except (OSError, ValueError) as error:  # ValueError: a null character
        raise UserError(f"cannot read the folder {quoted(root)} ({getattr(error, 'strerror', None) or error}): make it readable") from error
    if not stat.S_ISDIR(found.st_mode):
        raise UserError(f"{quoted(root)} is a file, not a folder of images; name its folder")


def _neighbours(root: Path) -> str:
    """Return a hint at folders with a similar name in the parent folder, or an empty text."""
    try:
        beside = [entry.name for entry in os.scandir(root.parent) if entry.is_dir()]
    except OSError:
        return ""
    hint = nearest(root.name, beside)
    return hint if "did you mean" in hint else ""


def check_class_folder(root: Path, folder: Path) -> None:
    """Raise a UserError for a name that is not UTF-8, and for a link to a parent folder."""
    _check_name(folder.name)
    if Path(os.path.realpath(root)).is_relative_to(os.path.realpath(folder)):
        raise UserError(f"{quoted(folder)} is a link to one of its parent folders: remove it")


def _check_name(name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise UserError(f"the name of the class folder {name!r} is not UTF-8: rename it") from error


def check_mixed(folder: Path, images: Sequence[str], folders: Sequence[str]) -> None:
    """Raise a UserError for a folder with both images and folders of images."""
    if images and folders:
        raise UserError(
            f"{quoted(folder)} contains both images ({min(images)!r}; {len(images):,} in all) and folders ({min(folders)!r}; "
            f"{len(folders):,} in all): put every image into a folder of its class, or none"
        )


def check_classes(root: Path, splits: Splits, train: tuple[str, ...], test: tuple[str, ...]) -> None:
    """Raise a UserError unless both splits have the same classes, or none."""
    if train == test:
        return
    if not train or not test:
        has, lacks = (splits.train, splits.test) if train else (splits.test, splits.train)
        raise UserError(f"{quoted(root)} has class folders in {has!r} but none in {lacks!r}: make them in both or in neither")
    odd = sorted(set(train) ^ set(test))[0]
    has, lacks = (splits.train, splits.test) if odd in train else (splits.test, splits.train)
    raise UserError(f"{quoted(root)} has the class {odd!r} in {has!r} but not in {lacks!r}: make the same class folders in both")
