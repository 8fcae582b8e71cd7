"""Section on the verdict: only sentences that follow from the tests."""

from __future__ import annotations

from dataclasses import replace

from synthetic_results import SyntheticRun, references, results, synthetic_runs

from reports.document import Table, Text
from reports.format import number
from reports.sections import verdict
from reports.view import view

THREE = {"a": (10.0, 10.2, 10.4), "b": (10.3, 10.5, 10.1), "c": (20.0, 21.0, 22.0)}


def sentences(runs: list[SyntheticRun]) -> list[str]:
    (cohort,) = view(results(runs)).cohorts
    return verdict.sentences(cohort)


def test_the_best_the_beaten_and_the_undecided() -> None:
    lead, best, pairs, distance = sentences(synthetic_runs(THREE))
    assert "a and b" in distance
    assert all(part in lead for part in ("classifier-FID", "fashion-mnist", "150,000 real images", "a, 10.2"))
    beaten, undecided = best.split(". ")
    assert "clearly better than c" in beaten
    assert "no significant difference from b" in undecided
    assert pairs.startswith("2 of 3 pairs")


def test_a_small_but_certain_difference_is_significant_and_not_clear() -> None:
    (_, best, pairs) = sentences(synthetic_runs({"a": (100.0, 100.1, 100.2), "b": (105.0, 105.1, 105.2)}))
    assert "significantly better than b" in best
    assert pairs.startswith("1 of 1 pair ")


def test_too_few_seeds() -> None:
    lead, reason = sentences(synthetic_runs({"a": (10.0, 11.0), "b": (20.0, 21.0)}))
    assert "fewer than 3 seeds" in reason
    assert "better" not in lead + reason


def test_an_entry_that_was_not_tested_is_not_called_equal() -> None:
    _, best, pairs, _ = sentences([*synthetic_runs(THREE), SyntheticRun(variant="d", fid=30.0)])
    assert "not tested against d" in best
    assert "3 have no test" in pairs
    section = verdict.build(view(results([*synthetic_runs(THREE), SyntheticRun(variant="d", fid=30.0)])))
    assert section is not None
    (table,) = [block for block in section.blocks if isinstance(block, Table)]
    untested = [column.title for column in table.columns].index(verdict.UNTESTED)
    assert [row.cells[untested].text for row in table.rows] == ["d", "d", "d", "a, b, c"]


def test_an_entry_with_one_finished_run_ranks_last() -> None:
    failing = [SyntheticRun(variant="b", seed=seed, status="diverged") for seed in range(2)]
    runs = [*synthetic_runs({**THREE, "b": (1.0,)}), *(replace(run, seed=run.seed + 1) for run in failing), *references()]
    found = sentences(runs)
    assert "a, 10.2" in found[0]
    assert "not tested against b" in found[1]
    assert found[-1] == "Ranked last: b failed in 2 of 3 seeds."
    (cohort,) = view(results(runs)).cohorts
    assert [entry.name for entry in cohort.entries] == ["a", "c", "b"]


def test_half_failed_ranks_before_all_but_one_failed() -> None:
    """Both medians are infinite, but the entry with two finished runs ranks before the entry with one."""
    runs = [*synthetic_runs({"z": (1.0, 2.0), "y": (1.0,)})]
    runs += [
        SyntheticRun(variant=name, seed=seed, status="failed") for name, seeds in {"z": (2, 3), "y": (1, 2, 3)}.items() for seed in seeds
    ]
    (cohort,) = view(results(runs)).cohorts
    assert [entry.name for entry in cohort.entries] == ["z", "y"]


def test_one_entry() -> None:
    lead, nothing = sentences(synthetic_runs({"a": THREE["a"]}))
    assert "a, 10.2" in lead
    assert "better" not in nothing


def test_nothing_measured() -> None:
    (sentence,) = sentences([SyntheticRun(variant=name, status="failed") for name in "ab"])
    assert "classifier-FID" in sentence


def test_a_best_median_without_a_significant_difference() -> None:
    runs = synthetic_runs({"a": (100.0, 100.0, 100.0, 180.0, 181.0), "b": (101.0, 101.1, 101.2, 101.3, 101.4)})
    assert "no significant difference from b" in sentences(runs)[1]


def test_the_table_lists_the_verdicts_of_each_entry() -> None:
    section = verdict.build(view(results(synthetic_runs(THREE))))
    assert section is not None
    (table,) = [block for block in section.blocks if isinstance(block, Table)]
    assert [column.title for column in table.columns] == ["", verdict.BEATEN["clearly better"], verdict.NOT_SIGNIFICANT]
    assert [[cell.text for cell in row.cells] for row in table.rows] == [["a", "c", "b"], ["b", "c", "a"], ["c", "", ""]]


def test_data_too_small_for_conclusions_is_a_warning_before_the_verdict() -> None:
    section = verdict.build(view(results(synthetic_runs(THREE, dataset="digits", claims="false"))))
    assert section is not None
    warning = section.blocks[0]
    assert isinstance(warning, Text)
    assert warning.tone == "warning"
    assert "digits" in warning.text


def test_the_terms_are_defined_beside_the_verdict() -> None:
    section = verdict.build(view(results(synthetic_runs(THREE))))
    assert section is not None
    definition = section.blocks[-1]
    assert isinstance(definition, Text)
    words = definition.text.lower()
    assert all(
        term in words for term in ("significantly better", "clearly better", "n.s.", "no significant difference", "at least 1.1", "5 %")
    )


def test_undecided_pairs_have_their_distance_from_a_verdict() -> None:
    runs = synthetic_runs({**THREE, "d": (10.1, 10.3, 10.2), "e": (10.9, 10.2, 11.4)})
    distance = sentences(runs)[3]
    (cohort,) = view(results(runs)).cohorts
    assert cohort.power.smallest is not None
    assert f"3 seeds can show a ratio of {number(cohort.power.smallest.value)} or more (with 80 % power" in distance
    least = min(needed.seeds for needed in cohort.power.seeds.values() if needed.seeds is not None)
    assert f"about {least} seeds each would decide" in distance


def test_a_distance_without_an_estimate_has_its_reason() -> None:
    equal = {"a": (10.0, 10.2, 10.4), "b": (10.4, 10.0, 10.2)}
    assert ". 1 undecided pair would need more than 1,000 seeds" in sentences(synthetic_runs(equal))[3]
    failed = [SyntheticRun(variant="b", seed=3, status="failed"), *references()]
    assert "1 undecided pair has no estimate, because runs failed" in sentences([*synthetic_runs(equal), *failed])[3]
    three = synthetic_runs({**equal, "c": (10.1, 10.3, 10.2)})
    assert "1 of the 3 undecided pairs would need more than 1,000 seeds each. 2 have no estimate" in sentences([*three, *failed])[3]
    wild = {"a": (1.0, 100.0, 10_000.0), "b": (2.0, 200.0, 20_000.0)}
    assert "3 seeds are too few" in sentences(synthetic_runs(wild))[3]


def test_nothing_is_undecided_if_every_pair_differs() -> None:
    assert not any("power" in sentence for sentence in sentences(synthetic_runs({"a": THREE["a"], "c": THREE["c"]})))
