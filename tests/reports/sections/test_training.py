"""The galleries of training curves."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from synthetic_results import SyntheticRun, results

from bench.tracking.curves import CURVE_COLUMNS
from bench.tracking.results import Results
from reports.document import Gallery, Heading
from reports.sections import training
from reports.view import view


def with_curves(found: Results, *curves: tuple[str, str]) -> Results:
    """Return the results with three more points for each (run id, key)."""
    rows = [(run, 50_000 * mark, float(mark), key, float(mark)) for run, key in curves for mark in (1, 2, 3)]
    frame = pd.concat(
        [found.curves.astype({"run_id": object, "key": object}), pd.DataFrame(rows, columns=list(CURVE_COLUMNS))], ignore_index=True
    )
    return replace(found, curves=frame.astype({"run_id": "category", "key": "category"}))


def galleries(found: Results) -> dict[str, Gallery]:
    section = training.build(view(found))
    assert section is not None
    titles = [block.text for block in section.blocks if isinstance(block, Heading)]
    return dict(zip(titles, (block for block in section.blocks if isinstance(block, Gallery)), strict=True))


def two_runs() -> Results:
    return results([SyntheticRun(variant="a", fid=1.0), SyntheticRun(variant="b", fid=2.0)])


def test_without_numbers_of_objectives_there_is_no_gallery_of_them() -> None:
    found = galleries(two_runs())
    assert list(found) == [title for _, title, _, _ in training.GALLERIES]
    assert [tile.title for tile in found["Losses"].tiles] == ["a", "b"]


def test_numbers_of_objectives_are_in_the_order_of_the_entries() -> None:
    own = galleries(with_curves(two_runs(), ("b-0", "train/k_t"), ("b-0", "train/convergence"), ("a-0", "train/r1")))[training.OWN_TITLE]
    assert [(tile.title, tile.picture.alt) for tile in own.tiles] == [
        ("a", "a: r1 ends at 3"), ("b", "b: convergence ends at 3"), ("b", "b: k_t ends at 3"),
    ]  # fmt: skip
    assert "The first" not in own.caption


@pytest.mark.slow
def test_a_page_has_a_limited_number_of_them() -> None:
    many = [("a-0", f"train/number_{index:02}") for index in range(training.MOST_OWN + 3)]
    own = galleries(with_curves(two_runs(), *many))[training.OWN_TITLE]
    assert len(own.tiles) == training.MOST_OWN
    assert f"{training.MOST_OWN} by name, of {len(many)}" in own.caption
