"""Recognition of folders that are splits, by their names. An unclear name is an error, unless `classes=all` makes all folders classes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

from bench.core.errors import UserError
from bench.data.folder.name import GIVEN, TEST_SHARE, USAGE, quoted

Role = Literal["train", "test", "validation"]
_WORDS: Mapping[Role, str] = {
    "train": "training|train",
    "test": "testing|test",
    "validation": "validation|validate|valid|val|evaluation|eval|development|dev|heldout|holdout",
}
_SHORT: Mapping[Role, str] = {"train": "trn|tr", "test": "tst|ts|te", "validation": "vl|va"}  # also languages, chemical elements, ...
_NEUTRAL = "(?:split|subset|set|folder|data|images?|imgs?|pictures?|photos?|samples?|examples?)*"  # ignored beside a split's word
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_TOKENS = re.compile(r"[^\W\d_]+|\d+")


@dataclass(frozen=True, kw_only=True)
class SplitName:
    """Split that a folder's name means. For example, trainA has the training images of domain a."""

    folder: str
    role: Role
    domain: str  # "a", "b", a number such as a year, or empty
    is_short: bool  # an abbreviation, which means a split only if all folders beside it have names of splits


@dataclass(frozen=True, kw_only=True)
class Splits:
    """Record of the two folders that are the splits."""

    train: str
    test: str


def split_name(folder: str) -> SplitName | None:
    """Return the split of a name such as train, Training, train-images, TRAIN_SET, trainA or val2017. Return None for other names."""
    tokens = [token.casefold() for token in _TOKENS.findall(_CAMEL.sub(" ", unicodedata.normalize("NFKC", folder)))]
    domain = tokens.pop() if len(tokens) > 1 and (tokens[-1] in ("a", "b") or tokens[-1].isdigit()) else ""
    for words, is_short in ((_WORDS, False), (_SHORT, True)):
        for role, alternatives in words.items():
            if re.fullmatch(f"{_NEUTRAL}(?:{alternatives}){_NEUTRAL}", "".join(tokens)):
                return SplitName(folder=folder, role=role, domain=domain, is_short=is_short)
    return None


def split_names(folders: Sequence[str]) -> list[SplitName]:
    """Return the splits of the folders that have names of splits."""
    found = [name for name in map(split_name, folders) if name is not None]
    short_count = len(found) == len(folders) and len({name.role for name in found}) > 1
    return [name for name in found if short_count or not name.is_short]


def find_splits(root: Path, folders: Sequence[str]) -> Splits | None:
    """Return the splits if a root has exactly one training and one test folder. Return None if no folder has the name of a split.

    Raises a UserError for other names of splits, because as classes they would put test images among the training images.
    """
    found = split_names(folders)
    if not found:
        return None
    by_role = {name.role: name for name in found}
    if len(folders) == 2 and set(by_role) == {"train", "test"} and len({name.domain for name in found}) == 1:
        return Splits(train=by_role["train"].folder, test=by_role["test"].folder)
    raise UserError(f"{quoted(root)} contains {_advice(root, folders, found)}, or add ,classes=all to the name if all folders are classes")


def check_class_names(folder: Path, names: Sequence[str]) -> None:
    """Raise a UserError if a folder of a split contains a folder with the name of a split."""
    if found := split_names(names):
        raise UserError(
            f"{quoted(folder)} contains {found[0].folder!r}, a name of a split, and splits belong side by side at the top: move or rename it, "
            "or add ,test=given,classes=all to the name if it is a class"
        )


def _advice(root: Path, folders: Sequence[str], found: Sequence[SplitName]) -> str:
    """Return a list of the folders, and what the user can do."""
    listed, names = _listed(folders), _listed([name.folder for name in found])
    if {"a", "b"} <= {name.domain for name in found}:
        return f"{listed}, but image translation needs 'trainA', 'trainB', 'testA' and 'testB': name one folder, e.g. folder:{root}/{folders[-1]}"
    if len(folders) == 1:
        return f"only {listed}, a name of a split: name that folder itself, folder:{root}/{folders[0]}, put the other split beside it"
    if len(folders) == 2 and sorted(name.role for name in found) == ["train", "validation"]:
        validation = next(name.folder for name in found if name.role == "validation")
        return f"{listed}: rename {validation!r} to 'test' if it is to be the test split"
    what = f"{names} is a name of a split" if len(found) == 1 else f"{names} are names of splits"
    return f"{listed}, where {what}: leave only one training and one test folder, e.g. 'train' and 'test'"


def _listed(folders: Sequence[str]) -> str:
    return ", ".join(map(repr, folders[:6])) + (", ..." if len(folders) > 6 else "")


def test_share(root: Path, splits: Splits | None, requested: Fraction | None) -> Fraction:
    """Return the share of the test split, or GIVEN. Raises a UserError for a share that does not fit the folders."""
    if splits and requested:
        names = f"{splits.train!r} and {splits.test!r}"
        raise UserError(f"{USAGE}: test={requested} does not fit the folders {names} in {str(root)!r}, which are the splits: leave it out")
    if not splits and requested == GIVEN:
        raise UserError(f"{USAGE}: test=given needs the folders 'train' and 'test' in {str(root)!r}: name a share, as test=0.1")
    return GIVEN if splits else requested or TEST_SHARE
