"""The picture of the house at the top of CONTRIBUTING.md, from the imports between the rooms: which rooms there are, and what each imports.

python docs/make_house.py
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
PICTURE = re.compile(r"^```mermaid\n.*?^```\n", re.MULTILINE | re.DOTALL)
HARNESS, OTHERS = "bench", ("studies", "variants", "reports")

Arrow = tuple[str, str]  # (importer, imported)


def rooms() -> list[str]:
    """The rooms of bench/ in the order of the import contract: each may import those after it."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract.get("id") == "rooms")
    return [room.strip() for layer in layers for room in layer.split("|")]


def imports() -> set[Arrow]:
    """Which room or package imports which."""
    graph = grimp.build_graph(HARNESS, *OTHERS, cache_dir=None)
    boxes = {module: _box(module) for module in graph.modules}
    pairs = ((boxes[module], boxes[other]) for module in graph.modules for other in graph.find_modules_directly_imported_by(module))
    known = {*rooms(), *OTHERS}
    return {(one, other) for one, other in pairs if one != other and {one, other} <= known}


def _box(module: str) -> str:
    package, _, rest = module.partition(".")
    return rest.partition(".")[0] if package == HARNESS else package


def reduced(arrows: Collection[Arrow]) -> list[Arrow]:
    """The arrows that no longer way says already, in the order of the rooms."""
    order = ["cli", *OTHERS, *rooms()[1:]]
    needed = [(one, other) for one, other in arrows if other not in reachable(one, set(arrows) - {(one, other)})]
    return sorted(needed, key=lambda arrow: (order.index(arrow[0]), order.index(arrow[1])))


def reachable(start: str, arrows: Collection[Arrow]) -> set[str]:
    """All that a box imports, directly or not."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        here = waiting.pop()
        new = {other for one, other in arrows if one == here} - found
        found |= new
        waiting += new
    return found


def mermaid() -> str:
    """The picture as Mermaid, in its fence."""
    return "```mermaid\n" + "\n".join(_lines()) + "\n```\n"


def _lines() -> Iterator[str]:
    yield "flowchart TD"
    yield f'    subgraph {HARNESS}["{HARNESS}/"]'
    for room in rooms():
        yield f"        {_labelled(room, f'{HARNESS}.{room}')}"
    yield "    end"
    for package in OTHERS:
        yield f"    {_labelled(package, package)}"
    for one, other in reduced(imports()):
        yield f"    {one} --> {other}"


def _labelled(box: str, package: str) -> str:
    """A box with the start of its package's docstring."""
    words = re.split(r"[.:;]", (import_module(package).__doc__ or "").replace("`", ""))[0].replace('"', "#quot;")
    return f'{box}["<b>{box}/</b><br/>{words}"]'


def main() -> None:
    """Put the picture into the page."""
    text, count = PICTURE.subn(lambda _: mermaid(), PAGE.read_text(encoding="utf-8"))
    if count != 1:
        raise SystemExit(f"{PAGE} has {count} pictures in Mermaid, not one")
    write_atomic(PAGE, text.encode())


if __name__ == "__main__":
    main()
