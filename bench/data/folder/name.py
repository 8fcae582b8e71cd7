"""Parser of the name of a folder of images: `PATH[,size=N][,crop=center|none][,channels=1|3][,test=SHARE][,classes=all][,pairs=KIND]`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal, cast, get_args

from bench.core.errors import UserError, nearest
from bench.data.folder.pixels import Crop

SCHEME = "folder"
USAGE = "folder:PATH"
LEAST_SIZE, MOST_SIZE = 8, 1024
MOST_GUESSED = 64  # pixels: for larger images the user must choose the size to which ganbench scales them
TEST_SHARE = Fraction(1, 7)  # as in MNIST
Pairs = Literal["side-by-side", "folders", "none"]  # of image translation: in one picture, in folders A and B, or two sides without pairs
GIVEN = Fraction(0)  # test=given: the folders of the splits
_EXAMPLES = {"size": "32", "crop": "center", "channels": "3", "test": "0.1", "classes": "all", "pairs": "side-by-side"}
OPTIONS = tuple(_EXAMPLES)  # in the order of the canonical name


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of a name. ganbench chooses the value of an option that is None."""

    size: int | None = None
    crop: Crop = "center"
    channels: int | None = None
    test: Fraction | None = None
    all_classes: bool = False
    pairs: Pairs | None = None


def parse(text: str) -> tuple[Path, Options]:
    """Return (absolute path, options). The path ends before the known options at the end, so it may contain `,` and `=`."""
    parts = text.split(",")
    options: list[tuple[str, str]] = []
    while len(parts) > 1 and _is_option(parts[-1]):
        name, _, value = parts.pop().partition("=")
        options.insert(0, (name.strip(), value.strip()))
    path = _path(",".join(parts))
    if not os.path.isdir(path):
        _refuse_unknown_option(parts)
    _refuse_option_in_path(_path(text) if options and os.path.isdir(_path(text)) else path)
    given = dict(options)
    if len(given) < len(options):
        twice = next(name for name in given if [other for other, _ in options].count(name) > 1)
        raise UserError(f"{USAGE}: the option {twice!r} is given twice: give it once")
    values = {name: _READERS[name](value) for name, value in given.items()}
    if "classes" in values and "pairs" in values:
        raise UserError(f"{USAGE}: classes=all and pairs={values['pairs']} exclude each other: leave one out")
    return path, Options(
        size=cast("int | None", values.get("size")),
        crop=cast("Crop", values.get("crop", "center")),
        channels=cast("int | None", values.get("channels")),
        test=cast("Fraction | None", values.get("test")),
        all_classes="classes" in values,
        pairs=cast("Pairs | None", values.get("pairs")),
    )


def spell(path: Path, *, size: int, crop: Crop, channels: int, test: Fraction, all_classes: bool, pairs: Pairs | None = None) -> str:
    """Return the canonical name after `folder:`: the absolute path and every option, in one order."""
    last = (",classes=all" if all_classes else "") + (f",pairs={pairs}" if pairs else "")  # only if set: older names have no such options
    return f"{path},size={size},crop={crop},channels={channels},test={'given' if test == GIVEN else test}{last}"


def _is_option(part: str) -> bool:
    name, equals, _ = part.partition("=")
    return bool(equals) and name.strip() in OPTIONS


def _path(text: str) -> Path:
    """Return the absolute path. It does not resolve links."""
    if not text.strip():
        raise UserError("folder: takes a path, as in folder:photos or folder:/data/photos,size=32")
    try:
        path = Path(os.path.abspath(Path(text).expanduser()))
        str(path).encode()
    except (RuntimeError, UnicodeEncodeError) as error:  # no such home folder, or a name that is not UTF-8
        raise UserError(f"{USAGE}: {quoted(text)} cannot be used as a path: name the folder in another way, e.g. by a link") from error
    return path


def quoted(path: Path | str) -> str:
    """Return a path in quotes on one line, for an error message. Of a long path it returns the end."""
    text = str(path)
    return repr(text if len(text) <= 200 else "..." + text[-197:])


def _refuse_option_in_path(path: Path) -> None:
    """Raise a UserError for a path that a canonical name cannot contain."""
    option = next((name for name in OPTIONS if f",{name}=" in str(path)), None)
    if option:
        raise UserError(
            f"{USAGE}: the path {quoted(path)} contains ',{option}=', which reads as an option: rename the folder or make a link to it"
        )


def _refuse_unknown_option(parts: list[str]) -> None:
    """Raise a UserError that names the wrong option, if the path without some `,NAME=VALUE` is a folder."""
    for end in range(1, len(parts)):
        if not os.path.isdir(_path(",".join(parts[:end]))):
            continue
        wrong = next(part for part in parts[end:] if not _is_option(part))
        name = wrong.partition("=")[0].strip()
        if name in OPTIONS:
            raise UserError(f"{USAGE}: the option {name!r} needs a value, as in {name}={_EXAMPLES[name]}")
        raise UserError(f"{USAGE}: unknown option {name!r}" + nearest(name, OPTIONS))


def _size(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and LEAST_SIZE <= int(text) <= MOST_SIZE):
        raise UserError(f"{USAGE}: size takes {LEAST_SIZE} to {MOST_SIZE} pixels, not {text!r}")
    return int(text)


def _crop(text: str) -> str:
    if text not in ("center", "none"):
        raise UserError(f"{USAGE}: crop takes center or none, not {text!r}")
    return text


def _channels(text: str) -> int:
    if text not in ("1", "3"):
        raise UserError(f"{USAGE}: channels takes 1 (grey) or 3 (RGB), not {text!r}")
    return int(text)


def _classes(text: str) -> str:
    if text != "all":
        raise UserError(f"{USAGE}: classes takes all, not {text!r}")
    return text


def _pairs(text: str) -> str:
    if text not in get_args(Pairs):
        raise UserError(f"{USAGE}: pairs takes {', '.join(get_args(Pairs))}, not {text!r}")
    return text


def _test(text: str) -> Fraction:
    """Return the share of the test split, from text such as 0.1 or 1/10. `given` means that the folders are the splits."""
    if text == "given":
        return GIVEN
    try:
        share = Fraction(text) if len(text) <= 20 and "e" not in text.lower() else Fraction(-1)  # 1e-999999999 never finishes
    except (ValueError, ZeroDivisionError):
        share = Fraction(-1)
    if not 0 < share < 1:
        raise UserError(f"{USAGE}: test takes a share between 0 and 1, as 0.1 or 1/7, not {text!r}")
    return share


_READERS: Mapping[str, Callable[[str], int | str | Fraction]] = {
    "size": _size, "crop": _crop, "channels": _channels, "test": _test, "classes": _classes, "pairs": _pairs,
}  # fmt: skip
