"""Tests of CONTRIBUTING.md. Its diagram matches the imports, and its path of a run matches the calls."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType, ModuleType

import pytest
import small
from docs_scripts import docs_script

from bench.tracking.results import load
from reports import build as report

ROOT = Path(__file__).parents[1]
GUIDE = ROOT / "CONTRIBUTING.md"


@pytest.fixture(scope="module")
def diagram() -> ModuleType:
    return docs_script("make_diagram")


def picture() -> str:
    """Return the only diagram, which stands before all headings but the title."""
    (found,) = re.findall(r"^```mermaid\n(.*?)^```", GUIDE.read_text(encoding="utf-8").split("\n## ")[0], re.MULTILINE | re.DOTALL)
    return str(found)


def test_the_diagram_matches_the_imports(diagram: ModuleType) -> None:
    assert f"```mermaid\n{picture()}```\n" == diagram.mermaid(), "the diagram differs from the imports: run `python docs/make_diagram.py`"


def test_the_diagram_has_every_package_and_no_redundant_arrow(diagram: ModuleType) -> None:
    boxes = re.findall(r"^ +(\w+)\[", picture().partition("end\n")[0].partition('"bench/"]')[2], re.MULTILINE)
    assert set(boxes) == {path.parent.name for path in (ROOT / "bench").glob("*/__init__.py")}
    arrows = set(re.findall(r"^ +(\w+) --> (\w+)$", picture(), re.MULTILINE))
    imports = diagram.imports()
    assert arrows <= imports
    for box in {*boxes, *diagram.OTHERS}:
        assert diagram.reachable(box, arrows) == diagram.reachable(box, imports), box
        assert box not in diagram.reachable(box, imports), f"{box} imports itself through other packages"
    for one, other in arrows:
        assert other not in diagram.reachable(one, arrows - {(one, other)}), f"{one} --> {other} is redundant: remove the arrow"


def test_every_line_of_the_diagram_is_mermaid() -> None:
    label = r'\["(?:[^"`\[\]{}<>]|<b>|</b>|<br/>)+"\]'
    known = (r"flowchart TD", rf" {{4}}subgraph \w+{label}", rf" +\w+{label}", r" {4}end", r" {4}\w+ --> \w+")
    assert [line for line in picture().splitlines() if not any(re.fullmatch(pattern, line) for pattern in known)] == []


def path_of_a_run() -> list[list[tuple[str, str]]]:
    """Return the (file, function) pairs of each line of the list."""
    lines = re.findall(
        r"^\d+\. (.+)$", GUIDE.read_text(encoding="utf-8").partition("## The path of a run\n")[2].partition("\n## ")[0], re.MULTILINE
    )
    return [
        [(file, name) for file, names in re.findall(r"`([\w/]+\.py)` \(([^)]+)\)", line) for name in re.findall(r"`([\w.]+)`", names)]
        for line in lines
    ]


def test_a_run_takes_the_path(uri: str, tmp_path: Path, executed: Callable[..., None]) -> None:
    """A run calls all named functions, and the first function of each line in the order of the lines."""
    lines = path_of_a_run()
    named = {(str(ROOT / file), name) for line in lines for file, name in line}
    called: dict[tuple[str, str], None] = {}

    def watch(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and (key := (frame.f_code.co_filename, frame.f_code.co_qualname)) in named:
            called.setdefault(key)

    executed()  # includes the reference rows, which take another path
    sys.setprofile(watch)
    try:
        small.execute(uri, tmp_path / "runs", only="label-smoothed", seeds=1)
        found = load(uri, ("small",))
        report.write(report.build(replace(found, curves=found.curves.iloc[:0]), title="t"), tmp_path / "out")  # plots would take seconds
    finally:
        sys.setprofile(None)
    verb = {(str(ROOT / "bench/cli/train.py"), "suite")}  # not called, because it trains for minutes
    assert named - called.keys() == verb
    assert len(lines) == 10
    firsts = [(str(ROOT / line[0][0]), line[0][1]) for line in lines[1:]]
    assert [key for key in called if key in firsts] == firsts


def test_every_file_that_the_guide_names_exists() -> None:
    files = re.findall(r"`((?:bench|variants|studies|reports|tests|docs)/[\w/.]+)`", GUIDE.read_text(encoding="utf-8"))
    assert len(files) > 30
    assert [file for file in files if not (ROOT / file).exists()] == []
