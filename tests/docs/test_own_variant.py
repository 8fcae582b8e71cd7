"""docs/own-variant.md: its files and commands run in order, and its examples work."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import small
import torch
from documented import execute_commands
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

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "own-variant.md"
EXECUTED = {"Add a variant", "Add a loss", "Add networks", "Add a metric", "Add a report section"}
TO_FILE = ("Add a variant", "Add a loss", "Add networks")  # the parts of mine.py
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
    exec(compile(code, f"{GUIDE.name}, {title}", "exec"), module.__dict__)
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


@pytest.mark.slow
def test_the_commands_run_with_the_file_of_the_page(tmp_path: Path, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    found = examples()
    Path("mine.py").write_text("\n\n".join(found[title][0].replace("from __future__ import annotations\n", "") for title in TO_FILE))
    for block in re.findall(r"^```sh\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        execute_commands(block, monkeypatch)
    runs = load(uri, ("runs",)).runs
    assert set(runs["status"]) == {"finished"}
    assert {"mine:SMOOTH", "dcgan", "wgan-gp"} <= set(runs["variant"])
    assert {"mine:PEARSON"} < set(runs["param:recipe.loss"])
    assert "mine:LINEAR" in set(runs["param:networks"])
    assert (tmp_path / "build" / "report" / "runs" / "index.html").exists()
