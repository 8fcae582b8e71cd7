"""The glossary explains exactly the metrics that occur in the report."""

from __future__ import annotations

import pytest
from synthetic_results import complete, results, synthetic_runs

from bench.metrics.columns import CARDS
from reports.document import Table
from reports.sections import glossary, pairs, summary
from reports.view import view


def test_every_metric_that_occurs_is_explained() -> None:
    found = results(synthetic_runs({"a": (1.0, 2.0, 3.0)}))
    section = glossary.build(view(found))
    assert section is not None
    (table,) = section.blocks
    assert isinstance(table, Table)
    keys = {row.cells[0].detail for row in table.rows}
    occurring = {key for key in CARDS if key in found.runs and found.runs[key].notna().any()} | (set(found.curves["key"]) & set(CARDS))
    assert keys == occurring
    assert "quality/kid_classifier" not in keys
    assert all(row.cells[3].text for row in table.rows)


def test_standard_errors_are_explained_where_there_are_any() -> None:
    for runs, n in ((synthetic_runs({"a": (1.0,)}), 0), (complete(synthetic_runs({"a": (1.0,)})), 1)):
        section = glossary.build(view(results(runs)))
        assert section is not None
        (table,) = section.blocks
        assert isinstance(table, Table)
        assert len(table.notes) == n
        assert not any(row.cells[0].detail.endswith("_se") for row in table.rows)


@pytest.mark.parametrize(
    ("values", "explained"),
    [
        pytest.param(((1.0, 2.0), (2.0, 1.0)), set(), id="no test"),
        pytest.param(((1.0, 2.0, 3.0), (3.0, 2.0, 1.0)), {"n.s.", pairs.SEEDS, summary.GROUP}, id="undecided"),
        pytest.param(((1.0, 1.01, 1.02), (90.0, 91.0, 92.0)), {"n.s.", summary.GROUP}, id="decided: no column of seeds"),
    ],
)
def test_terms_of_the_tests_are_explained_where_there_are_any(values: tuple[tuple[float, ...], ...], explained: set[str]) -> None:
    prepared = view(results(synthetic_runs(dict(zip("ab", values, strict=True)))))
    section = glossary.build(prepared)
    assert section is not None
    (table,) = section.blocks
    assert isinstance(table, Table)
    terms = {term for term in ("n.s.", pairs.SEEDS, summary.GROUP) if any(note.startswith(f"{term}:") for note in table.notes)}
    assert terms == explained
    section = pairs.build(prepared)
    columns = {column.title for block in section.blocks if isinstance(block, Table) for column in block.columns} if section else set()
    assert (pairs.SEEDS in terms) is (pairs.SEEDS in columns)
