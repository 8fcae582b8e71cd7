"""What a folder of images must not be: each a UserError of one line that says what lies where."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from bench.core.errors import UserError, nearest
from bench.data.folder.name import quoted
from bench.data.folder.splits import Splits


def check_folder(root: Path) -> None:
    """It must be there, and a folder."""
    try:
        found = os.stat(root)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UserError(f"there is no folder {quoted(root)}" + _neighbours(root)) from error
    except (OSError, ValueError) as error:  # ValueError: a null character
        raise UserError(f"cannot read the folder {quoted(root)} ({getattr(error, 'strerror', None) or error})") from error
    if not stat.S_ISDIR(found.st_mode):
        raise UserError(f"{quoted(root)} is a file, not a folder of images")


def _neighbours(root: Path) -> str:
    """The folders beside it whose names are like it."""
    try:
        beside = [entry.name for entry in os.scandir(root.parent) if entry.is_dir()]
    except OSError:
        return ""
    hint = nearest(root.name, beside)
    return hint if "did you mean" in hint else ""


def check_class_folder(root: Path, folder: Path) -> None:
    """Its name is recorded as text, and it may not lead back to where it lies."""
    _check_name(folder.name)
    if Path(os.path.realpath(root)).is_relative_to(os.path.realpath(folder)):
        raise UserError(f"{quoted(folder)} is a link to a folder that it lies in: remove it")


def _check_name(name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise UserError(f"the name of the class folder {name!r} is no UTF-8: rename it") from error


def check_mixed(folder: Path, images: Sequence[str], folders: Sequence[str]) -> None:
    """Images beside folders of images: which of them are meant?"""
    if images and folders:
        raise UserError(
            f"{quoted(folder)} holds both images ({min(images)!r}; {len(images):,} in all) and folders ({min(folders)!r}; "
            f"{len(folders):,} in all): put every image into a folder of its class, or none"
        )


def check_classes(root: Path, splits: Splits, train: tuple[str, ...], test: tuple[str, ...]) -> None:
    """Both splits have the same classes, or none."""
    if train == test:
        return
    if not train or not test:
        has, lacks = (splits.train, splits.test) if train else (splits.test, splits.train)
        raise UserError(f"{quoted(root)} has class folders in {has!r} but none in {lacks!r}: both or neither")
    odd = sorted(set(train) ^ set(test))[0]
    has, lacks = (splits.train, splits.test) if odd in train else (splits.test, splits.train)
    raise UserError(f"{quoted(root)} has the class {odd!r} in {has!r} but not in {lacks!r}: both need the same classes")
