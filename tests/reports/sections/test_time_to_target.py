"""The target and the times to reach it, compared with values computed by hand.

A run with a final FID f has the FIDs 10 f, 4 f, 2 f and f at its four evaluation points.
"""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from synthetic_results import FID, SyntheticRun, distilled_runs, results, synthetic_runs

from bench.metrics.columns import card
from bench.tracking.results import Results
from reports.document import Heading, Table
from reports.sections import progress, time_to_target
from reports.view import view

# The medians are 10, 15, 30 and 40. The target is the worse of the two middle medians, 30.
FOUR = {"a": (9.0, 10.0, 11.0), "b": (15.0, 15.0, 15.0), "c": (29.0, 30.0, 31.0), "d": (39.0, 40.0, 41.0)}
HIGHER = "modes/high_quality"


def table_of(found: Results) -> Table | None:
    section = progress.build(view(found))
    assert section is not None
    titles = [block.text for block in section.blocks if isinstance(block, Heading)]
    tables = [block for block in section.blocks if isinstance(block, Table)]
    assert titles == [time_to_target.TITLE] * len(tables)
    return tables[0] if tables else None


def rows(found: Results) -> list[list[str]]:
    table = table_of(found)
    assert table is not None
    return [[cell.text for cell in row.cells] for row in table.rows]


def level(values: dict[str, tuple[float, ...]], headline: str = FID) -> float | None:
    runs = [
        SyntheticRun(variant=name, seed=i, fid=v, headline=headline, columns={"headline": headline})
        for name in values
        for i, v in enumerate(values[name])
    ]
    return time_to_target.target(view(results(runs)).cohorts[0])


def test_the_table_by_hand() -> None:
    found = results(synthetic_runs(FOUR))
    assert rows(found) == [
        ["a", "3 of 3", "112,500", "22.5"],  # 20 is the first value of at most 30
        ["b", "3 of 3", "112,500", "22.5"],  # a value of 30 reaches the target
        ["c", "2 of 3", "150,000", "30.0"],  # 31 does not reach the target
        ["d", "0 of 3", "not reached", "not reached"],
    ]
    table = table_of(found)
    assert table is not None
    assert [column.title for column in table.columns] == ["", "reached it", "real images", "seconds"]
    assert "classifier-FID of at most 30.0" in table.caption
    assert "(4 each)" in table.caption


def test_medians_are_of_runs_with_clocks_of_their_own() -> None:
    found = results(synthetic_runs({"a": (5.0, 10.0, 15.0), "b": (30.0, 30.0, 30.0)}))
    for run_id, factor in (("a-0", 1.0), ("a-1", 10.0), ("a-2", 2.0)):
        found.curves.loc[found.curves["run_id"] == run_id, "seconds"] *= factor
    # The runs of a reach the target after 15, 225 and 45 seconds, at 75,000, 112,500 and 112,500 images.
    assert rows(found)[0] == ["a", "3 of 3", "112,500", "45.0"]


def test_failed_runs_never_reach_it_and_running_ones_do_not_count() -> None:
    failed = SyntheticRun(variant="a", seed=3, fid=1.0, status="diverged")  # better than the target before it diverged
    running = SyntheticRun(variant="a", seed=4, fid=1.0, status="running")
    assert rows(results([*synthetic_runs(FOUR), failed, running]))[0] == ["a", "3 of 4", "112,500", "22.5"]
    three = [SyntheticRun(variant="a", seed=seed, fid=1.0, status="diverged") for seed in (3, 4, 5)]
    assert rows(results([*synthetic_runs(FOUR), *three]))[-1] == ["a", "3 of 6", "not reached", "not reached"]


def test_a_run_without_values_is_left_out() -> None:
    found = results(synthetic_runs(FOUR))
    remaining = found.curves[~found.curves["run_id"].isin(["a-0", "d-0", "d-1", "d-2"])]
    texts = rows(replace(found, curves=remaining))
    assert texts[0] == ["a", "2 of 2", "112,500", "22.5"]
    assert texts[-1] == ["d", "no run measured", "", ""]


def test_a_run_with_another_headline_at_its_evaluation_points_is_not_measured() -> None:
    new = distilled_runs({"e": ((1.0, 5.0), (1.0, 6.0), (1.0, 7.0))})
    found = results([*synthetic_runs(FOUR), *new])
    ends = pd.DataFrame([(run.run_id, 150_000, 30.0, FID, run.metrics[FID]) for run in new], columns=found.curves.columns)
    texts = rows(replace(found, curves=pd.concat([found.curves, ends], ignore_index=True)))
    assert texts[0] == ["e", "no run measured", "", ""]
    assert texts[1][1] != "no run measured"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"a": (1.0,), "b": (2.0,)}, 2.0),
        ({"a": (1.0,), "b": (2.0,), "c": (3.0,)}, 2.0),
        ({"a": (1.0,), "b": (2.0,), "c": (3.0,), "d": (4.0,)}, 3.0),
        ({"a": (1.0,), "b": (float("nan"),), "c": (3.0,)}, 3.0),
        ({"a": (1.0,)}, None),
        ({"a": (1.0,), "b": (float("nan"),)}, None),
        ({"a": (1.0,), "b": (float("inf"),)}, None),
    ],
)
def test_the_target_is_the_middle_median(values: dict[str, tuple[float, ...]], expected: float | None) -> None:
    assert level(values) == expected


def test_where_more_is_better_the_worse_is_the_smaller() -> None:
    assert card(HIGHER).direction == "higher"
    assert level({"a": (0.9,), "b": (0.8,), "c": (0.7,), "d": (0.6,)}, HIGHER) == 0.7


@pytest.mark.slow
def test_no_table_for_one_entry_or_for_the_end_alone() -> None:
    assert table_of(results(synthetic_runs({"a": FOUR["a"]}))) is None
    found = results(synthetic_runs(FOUR))
    assert table_of(replace(found, curves=found.curves[found.curves["images"] == 150_000])) is None
