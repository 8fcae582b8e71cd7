"""docs/verdicts.md has the tables of its simulation, and a smaller simulation has the documented error rates."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest
from docs_scripts import docs_script

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def simulation() -> ModuleType:
    return docs_script("simulate_verdicts")


def without_digits(text: str) -> str:
    return re.sub(r"[\d.,]+", "#", text.replace("–", "# % of #"))


@pytest.mark.parametrize("page", ["verdicts.md", "tidy-results.md"])
def test_the_pages_have_the_tables_that_the_simulation_writes(simulation: ModuleType, page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    written = text.partition(simulation.BEGIN)[2].partition(simulation.END)[0].strip()
    assert without_digits(written) == without_digits(simulation.PAGES[page](2).strip()), (
        "the tables are not those of the simulation; run: python docs/simulate_verdicts.py"
    )


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.2, 0.5])
@pytest.mark.parametrize("seeds", [3, 5])
def test_equal_variants_are_hardly_ever_called_better(simulation: ModuleType, seeds: int, rate: float) -> None:
    assert simulation.false_verdicts(400, seeds, rate, "normal") <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("noise", ["normal", "skewed"])
def test_a_failure_wins_nothing_and_hardly_protects(simulation: ModuleType, noise: str) -> None:
    found = {(seeds, step): simulation.removal(150, seeds, 0.0, noise, step) for seeds in (3, 5) for step in (1.1, 1.2)}
    assert all(each.gained == 0 for each in found.values())
    sure, remained = (sum(getattr(each, name) for (seeds, _), each in found.items() if seeds == 5) for name in ("sure", "remained"))
    assert sure > 300
    assert remained >= 0.95 * sure


def test_a_check_never_agrees_with_values_a_fifth_worse_and_agrees_with_the_same(simulation: ModuleType) -> None:
    worse, same = (simulation.check_answers(40, 20, ratio) for ratio in (1.2, 1.0))
    assert worse["agrees"] == 0
    assert worse["differs"] > 0.9 * worse.total()
    assert same["agrees"] > 0.5 * same.total()
    assert same["differs"] <= 0.05 * same.total()


@pytest.mark.slow
def test_nothing_changes_where_nothing_fails(simulation: ModuleType) -> None:
    assert simulation.other_than_welch(50, 5, 1.1) == 0
    right, wrong = simulation.power(50, 5, 0.0, 1.2)
    assert right >= 0.6
    assert wrong == 0
