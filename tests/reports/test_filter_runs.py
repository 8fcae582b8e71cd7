"""Filters of results by variant."""

from __future__ import annotations

import re

import pytest
from synthetic_results import references, results, synthetic_runs
from synthetic_study import final_runs, studied, usual

from bench.core.errors import UserError
from reports.filter_runs import filter_runs

THREE = {"wgan": (1.0, 2.0), "wgan-gp": (3.0, 4.0), "dcgan": (5.0, 6.0)}


def test_a_glob_keeps_runs_curves_protocols_and_the_references_of_their_data() -> None:
    found = filter_runs(results([*synthetic_runs(THREE), *references(), *references(dataset="mnist", run_id="m")]), "wgan*")
    assert set(found.runs["variant"]) == {"wgan", "wgan-gp", "real", "untrained"}
    assert set(found.runs["dataset"]) == {"fashion-mnist"}
    assert set(found.curves["run_id"]) == {"wgan-0", "wgan-1", "wgan-gp-0", "wgan-gp-1"}
    assert set(found.protocols["run_id"]) == {*found.curves["run_id"], "real-0", "untrained-0"}
    assert list(found.runs.index) == list(range(len(found.runs)))


def test_everything_is_untouched() -> None:
    before = results(synthetic_runs(THREE))
    assert filter_runs(before, "*") is before


@pytest.mark.parametrize("pattern", ["dcgann", "WGAN", "real", ""])
def test_no_match_names_the_nearest(pattern: str) -> None:
    with pytest.raises(UserError, match=re.escape(repr(pattern)) + ".*dcgan") as error:
        filter_runs(results([*synthetic_runs(THREE), *references()]), pattern)
    assert "\n" not in str(error.value)


def test_a_study_keeps_the_variants_that_match() -> None:
    recorded = usual(5)
    found = filter_runs(studied(recorded), "*gan-gp")
    assert [set(study["variants"]) for study in found.studies] == [{"wgan-gp"}]
    assert set(recorded["variants"]) == {"dcgan", "ns-gan", "wgan-gp"}
    assert filter_runs(studied(recorded, [*final_runs(recorded), *synthetic_runs({"vanilla": (1.0,)})]), "vanilla").studies == ()


@pytest.mark.parametrize("variants", [None, [], "dcgan", 3])
def test_a_study_without_variants_goes(variants: object) -> None:
    recorded = usual(5)
    assert filter_runs(studied({**recorded, "variants": variants}, final_runs(recorded)), "dcgan").studies == ()
