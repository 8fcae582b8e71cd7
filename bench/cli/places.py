"""Where code lies, as `file:line`, and the first line of what it says of itself."""

from __future__ import annotations

import functools
import inspect
import sys
from pathlib import Path
from types import CodeType
from typing import Any

from bench.core.registry import Place

ROOT = Path(__file__).parents[2]  # of bench, variants, studies and reports


def place_of(thing: Any) -> Place | None:
    """Where a class or function is defined, of anything else its class; None where its source cannot be read."""
    while isinstance(thing, functools.partial):
        thing = thing.func
    thing = thing if inspect.isclass(thing) or inspect.isroutine(thing) else type(thing)
    try:
        file, (_, line) = inspect.getsourcefile(thing), inspect.getsourcelines(thing)
    except (OSError, TypeError):
        return None
    return Place(file, line) if file else None


def shown(place: Place | None) -> str:
    """`file:line`, the file as seen from the root of ganbench or from the working folder, else in full; a dash where it is not known."""
    if place is None or not Path(place.file).is_file():
        return "–"
    file = Path(place.file).resolve()
    root = next((root for root in (ROOT, Path.cwd()) if file.is_relative_to(root)), None)
    return f"{file.relative_to(root).as_posix() if root else file}:{place.line}"


def first_line(thing: Any) -> str:
    """The first paragraph of a docstring, in one line; empty where there is none. A class does not speak for its subclasses, a method does."""
    text = (vars(thing).get("__doc__") if inspect.isclass(thing) else inspect.getdoc(thing)) or ""
    return " ".join(text.partition("\n\n")[0].split())


def function_of(code: CodeType, module: str) -> Any:
    """The function or method that has this code, by its name in its module; None where it cannot be reached so."""
    found: Any = sys.modules.get(module)
    for part in code.co_qualname.split("."):
        found = getattr(found, part, None)
    return found
