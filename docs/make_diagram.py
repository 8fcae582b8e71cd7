"""Draw the package diagram at the top of CONTRIBUTING.md from the imports between packages.

python docs/make_diagram.py
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterator
from importlib import import_module
from pathlib import Path

import grimp

from bench.core.atomic_files import write_atomic

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "CONTRIBUTING.md"
DIAGRAM = re.compile(r"^```mermaid\n.*?^```\n", re.MULTILINE | re.DOTALL)
HARNESS, OTHERS = "bench", ("studies", "variants", "reports")

Arrow = tuple[str, str]  # (importer, imported)


def layers() -> list[str]:
    """Return the packages of bench/ in the order of the import contract: each may import those after it."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    rows = next(contract["layers"] for contract in contracts if contract.get("id") == "rooms")
    return [package.strip() for row in rows for package in row.split("|")]


def imports() -> set[Arrow]:
    """Return all direct imports between packages."""
    graph = grimp.build_graph(HARNESS, *OTHERS, cache_dir=None)
    boxes = {module: _box(module) for module in graph.modules}
    pairs = ((boxes[module], boxes[other]) for module in graph.modules for other in graph.find_modules_directly_imported_by(module))
    known = {*layers(), *OTHERS}
    return {(one, other) for one, other in pairs if one != other and {one, other} <= known}


def _box(module: str) -> str:
    package, _, rest = module.partition(".")
    return rest.partition(".")[0] if package == HARNESS else package


def reduced(arrows: Collection[Arrow]) -> list[Arrow]:
    """Return the arrows that do not follow from others, in the order of the packages."""
    order = ["cli", *OTHERS, *layers()[1:]]
    needed = [(one, other) for one, other in arrows if other not in reachable(one, set(arrows) - {(one, other)})]
    return sorted(needed, key=lambda arrow: (order.index(arrow[0]), order.index(arrow[1])))


def reachable(start: str, arrows: Collection[Arrow]) -> set[str]:
    """Return all packages that a package imports, directly or indirectly."""
    found: set[str] = set()
    pending = [start]
    while pending:
        current = pending.pop()
        new = {other for one, other in arrows if one == current} - found
        found |= new
        pending += new
    return found


def mermaid() -> str:
    """Return the diagram as a fenced Mermaid block."""
    return "```mermaid\n" + "\n".join(_lines()) + "\n```\n"


def _lines() -> Iterator[str]:
    yield "flowchart TD"
    yield f'    subgraph {HARNESS}["{HARNESS}/"]'
    for package in layers():
        yield f"        {_labelled(package, f'{HARNESS}.{package}')}"
    yield "    end"
    for package in OTHERS:
        yield f"    {_labelled(package, package)}"
    for one, other in reduced(imports()):
        yield f"    {one} --> {other}"


def _labelled(box: str, package: str) -> str:
    """Return a box with the start of the package's docstring."""
    words = re.split(r"[.:;]", (import_module(package).__doc__ or "").replace("`", ""))[0].replace('"', "#quot;")
    return f'{box}["<b>{box}/</b><br/>{words}"]'


def main() -> None:
    """Replace the diagram in the page."""
    text, count = DIAGRAM.subn(lambda _: mermaid(), PAGE.read_text(encoding="utf-8"))
    if count != 1:
        raise SystemExit(f"{PAGE} has {count} Mermaid diagrams; keep exactly one")
    write_atomic(PAGE, text.encode())


if __name__ == "__main__":
    main()
