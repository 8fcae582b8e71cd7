"""Section on provenance: evaluation protocols, environments, and commands that reproduce a run."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from synthetic_results import SyntheticRun, results, synthetic_runs

from bench.tracking.results import ENVIRONMENT
from reports.budget import RunBudget
from reports.document import Table, Text
from reports.sections import provenance
from reports.view import view

TWO = {"a": (10.0, 11.0), "b": (20.0, 21.0)}


@pytest.mark.parametrize(
    ("overrides", "settings"),
    [
        ("", []),
        ("{}", []),
        ('{"recipe.width": 16, "budget.images": 150000}', ["budget.images=150000", "recipe.width=16"]),
        (
            '{"recipe.betas": [0.5, 0.9], "networks": "dcgan", "precision": "fp32"}',
            ["networks=dcgan", "precision=fp32", "recipe.betas=[0.5, 0.9]"],
        ),
        ("not json", []),
        ("[1]", []),
    ],
)
def test_commands_are_what_a_shell_takes(overrides: str, settings: list[str]) -> None:
    words = shlex.split(provenance.command("dcgan", "fashion-mnist", 2, overrides, RunBudget()))
    assert words[:7] == ["ganbench", "run", "dcgan", "--dataset", "fashion-mnist", "--seed", "2"]
    assert words[7::2] == ["--set"] * len(settings)
    assert words[8::2] == settings


def test_hostile_names_are_quoted() -> None:
    assert shlex.split(provenance.command("a; rm -rf /", "d", 0, "", RunBudget()))[2] == "a; rm -rf /"


def test_every_run_has_its_command() -> None:
    section = provenance.build(view(results(synthetic_runs(TWO))))
    assert section is not None
    runs = [block for block in section.blocks if isinstance(block, Table)][-1]
    assert len(runs.rows) == 4
    assert runs.rows[0].cells[-1].text == "ganbench run a --dataset fashion-mnist --seed 0 --set budget.images=150000 --set recipe.width=16"


@pytest.mark.parametrize(
    ("budget", "setting"),
    [
        (RunBudget(unit="images", amount=300_000.0), "budget.images=300000"),
        (RunBudget(unit="train_seconds", amount=0.5), "budget.train_seconds=0.5"),
    ],
)
def test_the_recorded_budget_counts(budget: RunBudget, setting: str) -> None:
    words = shlex.split(provenance.command("a", "d", 0, '{"budget.images": 100000, "budget.generator_updates": 3}', budget))
    assert words[7:] == ["--set", setting]


def test_a_run_that_extends_another_names_it() -> None:
    longer = synthetic_runs({"a": (9.0,)}, extends="0123456789abcdef", **{"param:budget.images": "300000"})
    section = provenance.build(view(results(longer)))
    assert section is not None
    (row,) = [block for block in section.blocks if isinstance(block, Table)][-1].rows
    (detail,) = [cell.detail for cell in row.cells if cell.detail]
    assert "0123456789ab" in detail
    assert "--set budget.images=300000" in row.cells[-1].text


def test_environments_that_differ_are_both_shown(tmp_path: Path) -> None:
    found = results(synthetic_runs(TWO), tmp_path)
    file = tmp_path / "0" / ENVIRONMENT
    file.write_text(json.dumps({**json.loads(file.read_text()), "torch": "2.15.0", "dirty": True, "commit": None}))
    section = provenance.build(view(found))
    assert section is not None
    table = next(block for block in section.blocks if isinstance(block, Table) and len(block.columns) == 2 and not block.folded)
    facts = {row.cells[0].text: row.cells[1].text for row in table.rows}
    assert facts["torch"] == "2.14.1 (3 runs); 2.15.0 (1 run)"
    assert facts["python"] == "3.11.9"
    assert facts["dirty"] == "no (3 runs); yes (1 run)"
    assert facts["commit"] == "0123abc (3 runs); – (1 run)"


def test_protocols_have_a_row_for_each_metric() -> None:
    section = provenance.build(view(results(synthetic_runs(TWO))))
    assert section is not None
    table = next(block for block in section.blocks if isinstance(block, Table) and block.folded.startswith("Evaluation protocol"))
    assert table.rows[0].cells[0].text == "classifier-FID"
    assert table.rows[0].cells[1].text == "p0-quality/fid_classifier"[:12]


def test_superseded_runs_are_counted() -> None:
    runs = [*synthetic_runs(TWO), SyntheticRun(variant="a", seed=0, fid=9.0, columns={"run_id": "again"})]
    section = provenance.build(view(results(runs)))
    assert section is not None
    note = section.blocks[-1]
    assert isinstance(note, Text)
    assert note.text.startswith("1 older run")
