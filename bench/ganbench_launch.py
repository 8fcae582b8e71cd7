"""Entry point of the command. First checks that no other package has the name of a package of ganbench.

It is a top-level module (pyproject.toml), because a user's `bench.py` or `bench/` would hide any module of the package `bench`. Before the
check, it imports only the standard library.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

PACKAGES = ("bench", "variants", "studies", "reports")
INSTALLED = ("site-packages", "dist-packages")


def main() -> None:
    """Run the command line. Exit with status 2 and one line if another package hides one of ganbench."""
    if line := hidden_package():
        print(f"ganbench: {line}", file=sys.stderr)  # noqa: T201 (no package of ganbench can be imported)
        sys.exit(2)
    importlib.import_module("bench.cli").main()


def hidden_package() -> str | None:
    """Return the error message if a package of ganbench is hidden or missing, else None."""
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is None:
            return f"the package {name!r} of ganbench cannot be found: install ganbench again"
        place = _place(spec.origin, list(spec.submodule_search_locations or ()))
        if not _is_ours(place.parent):
            advice = (
                "uninstall that distribution" if place.parent.name in INSTALLED else f"rename it, or take {place.parent} off PYTHONPATH"
            )
            return f"{place} hides the package {name!r} of ganbench: {advice}"
    return None


def _place(origin: str | None, folders: list[str]) -> Path:
    """Return the file of a module, or the folder of a package."""
    return Path(folders[0] if folders else origin or "").absolute()


def _is_ours(folder: Path) -> bool:
    """Return whether a folder of the search path contains all packages of ganbench."""
    return all((folder / name / "__init__.py").is_file() for name in PACKAGES)
