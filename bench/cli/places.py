"""Locations of code as `file:line`, and the first lines of its docstrings."""

from __future__ import annotations

import functools
import inspect
import sys
from pathlib import Path
from types import CodeType
from typing import Any

from bench.core.registry import Place

ROOT = Path(__file__).parents[2]  # the folder of bench, variants, studies and reports


def place_of(thing: Any) -> Place | None:
    """Return the location of a class or function, or of the class of any other object. It is None if the source cannot be read."""
    while isinstance(thing, functools.partial):
        thing = thing.func
    thing = thing if inspect.isclass(thing) or inspect.isroutine(thing) else type(thing)
    try:
        file, (_, line) = inspect.getsourcefile(thing), inspect.getsourcelines(thing)
    except (OSError, TypeError):
        return None
    return Place(file, line) if file else None


def file_line(place: Place | None) -> str:
    """Return `file:line`, if possible relative to the root of ganbench or to the working folder. Return a dash for a missing file."""
    if place is None or not Path(place.file).is_file():
        return "–"
    file = Path(place.file).resolve()
    root = next((root for root in (ROOT, Path.cwd()) if file.is_relative_to(root)), None)
    return f"{file.relative_to(root).as_posix() if root else file}:{place.line}"


def first_line(thing: Any) -> str:
    """Return the first paragraph of a docstring as one line, or "". Methods inherit docstrings, but classes do not."""
    text = (vars(thing).get("__doc__") if inspect.isclass(thing) else inspect.getdoc(thing)) or ""
    return " ".join(text.partition("\n\n")[0].split())


def function_of(code: CodeType, module: str) -> Any:
    """Return the function or method of a code object, by its qualified name in the module, or None for an unknown name."""
    found: Any = sys.modules.get(module)
    for part in code.co_qualname.split("."):
        found = getattr(found, part, None)
    return found
