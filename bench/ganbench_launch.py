"""Entry point of the command: checks that Python finds the packages of ganbench, and no others of their names, before it imports any.

It is installed as a top-level module, not in `bench` (pyproject.toml): a `bench.py` or `bench/` of the user's would hide it there. So it
imports nothing but the standard library before it has looked.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

PACKAGES = ("bench", "variants", "studies", "reports")
INSTALLED = ("site-packages", "dist-packages")


def main() -> None:
    """Run the command line, or exit with status 2 and one line where a package of ganbench is hidden."""
    if line := hidden_package():
        print(f"ganbench: {line}", file=sys.stderr)  # noqa: T201 (nothing of ours can be imported)
        sys.exit(2)
    importlib.import_module("bench.cli").main()


def hidden_package() -> str | None:
    """What hides a package of ganbench, and what to do, in one line; None where nothing does."""
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is None:
            return f"the package {name!r} of ganbench cannot be found: install ganbench again"
        place = _place(spec.origin, list(spec.submodule_search_locations or ()))
        if not _is_ours(place.parent):
            advice = (
                "uninstall what it belongs to" if place.parent.name in INSTALLED else f"rename it, or take {place.parent} off PYTHONPATH"
            )
            return f"{place} hides the package {name!r} of ganbench: {advice}"
    return None


def _place(origin: str | None, folders: list[str]) -> Path:
    """The file of a module, the folder of a package."""
    return Path(folders[0] if folders else origin or "").absolute()


def _is_ours(folder: Path) -> bool:
    """Whether ganbench lies in a folder of the search path: all of its packages do."""
    return all((folder / name / "__init__.py").is_file() for name in PACKAGES)
