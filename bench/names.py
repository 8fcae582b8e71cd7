"""Names: those that globs mean, and those that come from elsewhere and become parts of paths here, which may not lead out of the chosen folder.

Imports no torch.
"""

from __future__ import annotations

import fnmatch
import re
from pathlib import PurePosixPath, PureWindowsPath
from typing import TypeVar

from bench.errors import UserError, one_line
from bench.words import printable

_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,127}")  # MLflow's own are 32 hexadecimal digits
Run = TypeVar("Run")  # of MLflow, which is not imported for its type


def checked(run: Run) -> Run:
    """A run of the store whose id may name folders here; a UserError where the id is more than a name."""
    run_id = run.info.run_id  # type: ignore[attr-defined]
    if not _ID.fullmatch(run_id):
        raise UserError(f"the tracking store has a run with the id {printable(one_line(repr(run_id), most=80))}, which is no id")
    return run


def matches(name: str, globs: str) -> bool:
    """Whether a name is one that globs such as `wgan*` or `cgan,acgan` mean."""
    return any(fnmatch.fnmatchcase(name, glob.strip()) for glob in globs.split(","))


def stays_inside(path: str) -> bool:
    """Whether a relative path leads to something in the folder that it is relative to, on any system."""
    posix, windows = PurePosixPath(path), PureWindowsPath(path)
    rooted = posix.is_absolute() or bool(windows.drive or windows.root)
    return bool(path) and "\0" not in path and not rooted and ".." not in (*posix.parts, *windows.parts)
