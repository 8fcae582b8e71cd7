"""Text for users (counts, durations, without control characters) and checks of names that become parts of paths. Imports no torch."""

from __future__ import annotations

import fnmatch
import re
from pathlib import PurePosixPath, PureWindowsPath

# Control characters, except line ends and tabs. Also characters that change the direction of writing, and halves of surrogate pairs.
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]|\r(?!\n)")


def pluralise(number: int, thing: str) -> str:
    """Return a number with its noun: "1 run", "2 runs"."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """Return seconds in words: "59 s", "1 min 1 s", "2 h 1 min"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def harmless(text: str) -> str:
    """Replace control characters, except line ends and tabs, by a visible character without effect.

    `UserError`, `SafeConsole` and the renderers of reports call it, so other code does not have to.
    """
    return CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def matches(name: str, globs: str) -> bool:
    """Return whether a name matches globs such as `wgan*` or `cgan,acgan`."""
    return any(fnmatch.fnmatchcase(name, glob.strip()) for glob in globs.split(","))


def stays_inside(path: str) -> bool:
    """Return whether a path is relative and stays inside the folder that it is relative to, on any system."""
    posix, windows = PurePosixPath(path), PureWindowsPath(path)
    rooted = posix.is_absolute() or bool(windows.drive or windows.root)
    return bool(path) and "\0" not in path and not rooted and ".." not in (*posix.parts, *windows.parts)
