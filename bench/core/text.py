"""Text for people (counts, durations, printable names) and checks of names that become parts of paths. Imports no torch."""

from __future__ import annotations

import fnmatch
import re
from pathlib import PurePosixPath, PureWindowsPath
from typing import TypeVar

from bench.core.errors import UserError, one_line

_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,127}")  # MLflow's own are 32 hexadecimal digits
Run = TypeVar("Run")  # of MLflow, which is not imported for its type


def pluralise(number: int, thing: str) -> str:
    """A number of things: "1 run", "2 runs"."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """Seconds as minutes and hours: "59 s", "1 min 1 s", "2 h 1 min"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def harmless(text: str) -> str:
    """Replace control characters, except line ends and tabs, so that they are visible and have no effect."""
    return UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text)


def printable(name: str) -> str:
    """Replace control characters, e.g. those that change the direction of writing, so that they are visible and have no effect."""
    return "".join(letter if letter.isprintable() or letter == "\N{ZERO WIDTH JOINER}" else "\N{REPLACEMENT CHARACTER}" for letter in name)


def checked(run: Run) -> Run:
    """Return a run whose id is safe as the name of a folder. Raises a UserError for another id."""
    run_id = run.info.run_id  # type: ignore[attr-defined]
    if not _ID.fullmatch(run_id):
        raise UserError(f"the tracking store has a run with the id {printable(one_line(repr(run_id), most=80))}, which is not an id")
    return run


def matches(name: str, globs: str) -> bool:
    """Whether a name matches globs such as `wgan*` or `cgan,acgan`."""
    return any(fnmatch.fnmatchcase(name, glob.strip()) for glob in globs.split(","))


def stays_inside(path: str) -> bool:
    """Whether a path is relative and stays inside the folder that it is relative to, on any system."""
    posix, windows = PurePosixPath(path), PureWindowsPath(path)
    rooted = posix.is_absolute() or bool(windows.drive or windows.root)
    return bool(path) and "\0" not in path and not rooted and ".." not in (*posix.parts, *windows.parts)
