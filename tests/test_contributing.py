"""Tests of CONTRIBUTING.md. Its diagram matches the imports, its path of a run matches the calls, and its examples work."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import FrameType, ModuleType

import pytest
import small
import torch
from docs_scripts import docs_script
from synthetic_results import QUICK, results, synthetic_runs

from bench.cli.common import parse_settings
from bench.core.config import DATASETS, NETWORKS, VARIANTS
from bench.core.registry import load_catalogs
from bench.evaluation.evaluator import Evaluator, reference_images
from bench.metrics.columns import CARDS, measured
from bench.metrics.evidence import METRICS
from bench.runs.runner import run
from bench.runs.types import RunResult
from bench.tracking.results import PROTOCOL, load
from reports import build as report
from reports.view import view
from variants.losses import HARD, LOSSES

ROOT = Path(__file__).parents[1]
GUIDE = ROOT / "CONTRIBUTING.md"
EXECUTED = {"Add a variant", "Add a loss", "Add networks", "Add a metric", "Add a report section"}
LONGEST = 20  # lines that are not blank


def examples() -> dict[str, list[str]]:
    """Return the blocks of Python under each heading."""
    parts = re.split(r"^## (.+)$", GUIDE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = {
        title: re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        for title, text in zip(parts[1::2], parts[2::2], strict=True)
    }
    return {title: blocks for title, blocks in found.items() if blocks}


def execute(title: str) -> ModuleType:
    """Execute the example under a heading in a new namespace."""
    (code,) = examples()[title]
    module = ModuleType("example")
    exec(compile(code, f"CONTRIBUTING.md, {title}", "exec"), module.__dict__)
    return module


@pytest.fixture(autouse=True)
def registries() -> Iterator[None]:
    """Restore every registry after the test."""
    load_catalogs()
    tables = [CARDS, METRICS, *(table for registry in (VARIANTS, NETWORKS, LOSSES) for table in (registry._items, registry._aliases))]
    before = [dict(table) for table in tables]
    yield
    for table, content in zip(tables, before, strict=True):
        table.clear()
        table.update(content)


def trained(uri: str, folder: Path, variant: str, *texts: str) -> RunResult:
    """Train for about a second on the digits, with these --set options."""
    result = run(small.config(variant, **parse_settings(list(texts))), small.context(uri, folder / "runs"))
    assert (result.status, result.reason) == ("finished", "")
    assert math.isfinite(result.values["quality/fid_classifier"])
    return result


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


def test_every_example_is_executed_and_short() -> None:
    found = examples()
    assert set(found) == EXECUTED
    for title, blocks in found.items():
        assert len(blocks) == 1, title
        assert len([line for line in blocks[0].splitlines() if line.strip()]) <= LONGEST, title


def test_the_variant_is_trained(uri: str, tmp_path: Path) -> None:
    execute("Add a variant")
    trained(uri, tmp_path, "dcgan-smooth")
    (row,) = load(uri, ("small",)).runs.to_dict("records")
    assert (row["variant"], row["idea"], row["param:recipe.real_label"]) == ("dcgan-smooth", "DCGAN with the real label at 0.9", "0.9")


def test_the_loss_is_trained_with(uri: str, tmp_path: Path) -> None:
    module = execute("Add a loss")
    logits = torch.tensor([-1.0, 0.0, 2.0])
    torch.testing.assert_close(module.pearson_discriminator(logits, logits, HARD), torch.tensor([2.0, 1.0, 5.0]))
    torch.testing.assert_close(module.pearson_generator(logits, logits), torch.tensor([0.5, 0.0, 2.0]))
    mine = trained(uri, tmp_path, "dcgan", "recipe.loss=pearson")
    other = trained(uri, tmp_path, "dcgan", "recipe.loss=least-squares")
    assert mine.values["quality/fid_classifier"] != other.values["quality/fid_classifier"]


def test_the_networks_are_trained(uri: str, tmp_path: Path) -> None:
    execute("Add networks")
    trained(uri, tmp_path, "label-smoothed", "networks=linear")
    trained(uri, tmp_path, "wgan-gp", "networks=linear")


def test_the_metric_is_measured_recorded_and_part_of_the_protocol(uri: str, tmp_path: Path) -> None:
    digits = DATASETS.get("digits")
    before = Evaluator(digits, samples=50).protocol()
    execute("Add a metric")
    evaluator = Evaluator(digits, samples=50)
    images = reference_images(digits, 50)
    grey = evaluator.full(images).values["diversity/grey"]
    assert grey == pytest.approx(float(images.float().mean()))
    assert evaluator.protocol() == before | {"diversity/grey": evaluator.protocol()["diversity/grey"]}
    assert measured()[-1] == "diversity/grey"

    result = trained(uri, tmp_path, "label-smoothed")
    found = load(uri, ("small",))
    assert found.runs["diversity/grey"].tolist() == pytest.approx([result.values["diversity/grey"]])
    assert "diversity/grey" in (found.read_json(result.run_id, PROTOCOL) or {})["metrics"]
    assert "Mean grey level of the generated images." in page(found, tmp_path)[0]


def page(found: object, folder: Path) -> tuple[str, str]:
    """Return the report as HTML and as markdown."""
    written = report.write(report.build(found, title="t"), folder / "out")  # type: ignore[arg-type]
    return written.read_text(encoding="utf-8"), (folder / "out" / "report.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_section_is_rendered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = execute("Add a report section")
    monkeypatch.setattr(report, "SECTIONS", (*report.SECTIONS, (module.TITLE, module.build)))
    html, markdown = page(results(synthetic_runs(QUICK)), tmp_path)
    assert re.search(r'<section[^>]*id="training-time"', html)
    assert "31.2 s" in html
    assert re.search(r"^## Training time$", markdown, re.MULTILINE)
    assert re.search(r"^\| dcgan +\| +31\.2 s", markdown, re.MULTILINE)


def test_the_section_is_left_out_where_nothing_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    module = execute("Add a report section")
    unfinished = results(synthetic_runs({"dcgan": (math.nan,)}, status="failed"))
    assert module.build(view(unfinished)) is None
