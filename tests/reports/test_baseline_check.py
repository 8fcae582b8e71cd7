"""Comparison of a store with published results: the verdicts and their reasons."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from scipy import stats as scipy_stats
from synthetic_results import FID, SyntheticRun, points, references, results, synthetic_runs

from bench.core.errors import UserError
from bench.metrics.columns import card
from bench.tracking.results import Results
from reports.baseline import read_baseline
from reports.baseline_check import CheckedVariant, CheckVerdict, answered, any_differs, check_baseline, check_summary, check_table, compared
from reports.comparisons import compare, holm, welch
from reports.export import write_csv
from reports.scores import ScoreScale
from reports.stats import Sample

BASE: dict[str, Sequence[float]] = {"a": (10.0, 11.0, 12.0), "b": (20.0, 21.0, 22.0)}
OTHER: dict[str, Sequence[float]] = {"a": (10.5, 10.9, 11.8), "b": (20.4, 20.9, 22.3)}


@pytest.fixture
def baseline(tmp_path: Path) -> Results:
    """Return the runs of BASE after publishing and reading."""
    write_csv(results(synthetic_runs(BASE)), tmp_path / "published")
    return read_baseline(tmp_path / "published")[0]


def verdicts(lines: Sequence[CheckedVariant]) -> dict[str, str]:
    return {line.name: line.verdict for line in lines}


def changed(values: Mapping[str, Sequence[float]], name: str, **columns: Any) -> list[SyntheticRun]:
    """Return runs with other columns for one variant."""
    return [replace(run, columns={**run.columns, **columns}) if run.variant == name else run for run in synthetic_runs(values)]


def test_the_same_bits_agree(baseline: Results) -> None:
    lines = check_baseline(baseline, results(synthetic_runs(BASE)))
    assert verdicts(lines) == {"a": "agrees", "b": "agrees"}
    assert check_summary(lines) == "2 of 2 variants of the baseline agree."
    assert not any_differs(lines)


def test_other_seeds_of_the_same_do_not_differ_and_the_figures_are_those_of_the_tests(baseline: Results) -> None:
    lines = check_baseline(baseline, results(synthetic_runs(OTHER)))
    assert verdicts(lines) == {"a": "cannot tell", "b": "cannot tell"}
    assert check_summary(lines) == "0 of 2 variants of the baseline agree; 2 cannot tell."
    assert not any_differs(lines)
    logs = {name: [[math.log(value) for value in values[name]] for values in (OTHER, BASE)] for name in BASE}
    found = {name: welch(*logs[name]) for name in BASE}
    margin = math.log(1.1)
    one_sided = {
        name: max(
            scipy_stats.ttest_ind([value - margin for value in here], published, equal_var=False, alternative="less").pvalue,
            scipy_stats.ttest_ind([value + margin for value in here], published, equal_var=False, alternative="greater").pvalue,
        )
        for name, (here, published) in logs.items()
    }
    for name, line, p, p_same in zip(BASE, lines, holm([found[name][1] for name in BASE]), holm(list(one_sided.values())), strict=True):
        difference, _, interval = found[name]
        assert line.pair is not None
        assert (line.pair.p_holm, line.p_same) == (pytest.approx(p), pytest.approx(p_same))
        assert line.ratio is not None
        assert (line.ratio[0], line.ratio[1].low, line.ratio[1].high) == pytest.approx(
            (math.exp(difference), math.exp(interval.low), math.exp(interval.high))
        )


def close(level: float, seeds: int = 5) -> tuple[float, ...]:
    """Return values with a spread of about 1 %."""
    return tuple(level * (1 + 0.01 * (seed - (seeds - 1) / 2)) for seed in range(seeds))


@pytest.mark.parametrize(
    ("ratio", "verdict"),
    [(1.0001, "agrees"), (1.05, "agrees"), (1.09, "differs"), (1.2, "differs"), (1 / 1.05, "agrees"), (1 / 1.2, "differs")],
)
def test_agreement_is_a_difference_below_the_margin(ratio: float, verdict: str) -> None:
    """Variants agree if their difference is below the margin, even if it is significant, as at a ratio of 1.05."""
    (line,) = check_baseline(results(synthetic_runs({"a": close(10.0)})), results(synthetic_runs({"a": close(10.0 * ratio)})))
    assert (line.verdict, line.why) == (verdict, "")


def test_the_margin_is_that_of_the_card() -> None:
    narrow = CheckedVariant(name="a", card=replace(card(FID), margin=1.02), baseline=Sample(values=close(10.0)))
    wide = replace(narrow, card=replace(card(FID), margin=1.3))
    difference = replace(narrow, card=replace(card(FID), scale="difference", margin=0.5))
    unknown = replace(narrow, card=replace(card(FID), scale="difference", margin=None))
    here = Sample(values=close(10.2))
    found = answered([compared(line, here) for line in (narrow, wide, difference, unknown)])
    assert [line.verdict for line in found][1:] == ["agrees", "agrees", "cannot tell"]
    assert found[0].verdict != "agrees"
    assert "no margin" in found[3].why
    (far,) = answered([compared(unknown, Sample(values=close(12.0)))])
    assert (far.verdict, far.why) == ("differs", "")


@pytest.mark.parametrize(
    ("spread", "seeds"),
    [
        *((spread, 3) for spread in (0.001, 0.02, 0.1)),
        (0.1, 20),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in ((0.001, 5), (0.02, 5), (0.1, 5), (0.001, 20), (0.02, 20))),
    ],
)
def test_a_baseline_made_a_fifth_worse_never_agrees(spread: float, seeds: int) -> None:
    """Runs that are all 20 % worse never agree, for one variant and for eight."""
    random = np.random.default_rng([seeds, round(1000 * spread)])
    published = {f"v{i}": [float(v) for v in 30 * np.exp(spread * random.normal(size=seeds))] for i in range(8)}
    worse = {name: [1.2 * value for value in values] for name, values in published.items()}
    for names in (["v0"], list(published)):
        lines = check_baseline(
            results(synthetic_runs({n: published[n] for n in names})), results(synthetic_runs({n: worse[n] for n in names}))
        )
        assert all(line.verdict != "agrees" for line in lines)
        assert all(line.p_same is not None and line.p_same > 0.5 for line in lines)


@pytest.mark.parametrize(("spread", "ratio", "verdict"), [(0.03, 1.002, "agrees"), (0.04, 1.12, "differs")])
def test_holm_makes_both_answers_harder(spread: float, ratio: float, verdict: str) -> None:
    """The verdict of a variant alone becomes "cannot tell" together with seven others that cannot tell."""
    factors = (1 - spread, 1.0, 1 + spread)
    published, here = {"a": [10 * factor for factor in factors]}, {"a": [10 * ratio * factor for factor in factors]}
    noisy = {f"v{i}": (10.0, 14.0, 19.0 + i) for i in range(7)}
    other = {f"v{i}": (10.5, 14.5, 18.0 + i) for i in range(7)}
    alone = check_baseline(results(synthetic_runs(published)), results(synthetic_runs(here)))
    among = check_baseline(results(synthetic_runs({**published, **noisy})), results(synthetic_runs({**here, **other})))
    assert (alone[0].verdict, verdicts(among)["a"]) == (verdict, "cannot tell")


def test_seeds_that_vary_other_randomness_are_not_comparable(baseline: Results) -> None:
    fixed = [*synthetic_runs({"b": BASE["b"]}), *synthetic_runs({"a": BASE["a"]}, **{"param:vary": "init"})]
    found = {line.name: line for line in check_baseline(baseline, results(fixed))}
    assert (found["a"].verdict, found["b"].verdict) == ("not comparable", "agrees")
    assert "random streams" in found["a"].why


def test_a_failure_on_either_side_is_no_agreement() -> None:
    values = {"a": close(10.0)}
    failing = [*synthetic_runs({"a": close(10.001)}), SyntheticRun(variant="a", seed=5, status="diverged")]
    for published, here, side in ((synthetic_runs(values), failing, "here"), (failing, synthetic_runs(values), "baseline")):
        (line,) = check_baseline(results([*published, *references()]), results(here))
        assert (line.verdict, line.p_same, line.why) == ("cannot tell", None, f"{side} failed in 1 of 6 seeds")
    (line,) = check_baseline(results(failing), results(failing))
    assert (line.verdict, line.why) == ("agrees", "identical")


def test_half_as_much_again_differs(baseline: Results) -> None:
    lines = check_baseline(baseline, results(synthetic_runs({"a": (15.0, 16.5, 18.0), "b": BASE["b"]})))
    assert verdicts(lines) == {"a": "differs", "b": "agrees"}
    assert any_differs(lines)
    assert check_summary(lines) == "1 of 2 variants of the baseline agrees; a differs."
    assert check_table(lines, "t").title == "t, by classifier-FID"
    assert check_table(lines, "t").rows[0][:4] == ("a", "11.0 [3]", "16.5 [3]", "1.50 [1.22, 1.84]")


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"dataset": "mnist"}, "dataset"),
        ({"param:budget.images": "300000"}, "budget"),
        ({"param:budget.images": "None", "param:budget.train_seconds": "150000"}, "budget"),
        ({"param:recipe.lr_g": "0.001"}, "recipe.lr_g"),
        ({"results_version": "2"}, "results version"),
        ({"variant_version": "2"}, "variant version"),
        ({"variant_source": "0123456789abcdef"}, "variant source"),
        ({"dataset": "mnist", "variant_version": "2"}, "dataset, variant version"),
    ],
)
def test_what_differs_is_named(baseline: Results, columns: dict[str, str], why: str) -> None:
    line = check_baseline(baseline, results(changed(BASE, "a", **columns)))[0]
    assert (line.name, line.verdict, line.why) == ("a", "not comparable", why)


@pytest.mark.parametrize("here", [True, False])
def test_a_setting_that_one_side_lacks_counts_where_it_was_changed(here: bool) -> None:
    def verdict(overrides: str) -> tuple[str, str]:
        more = results(changed(BASE, "a", **{"param:recipe.smooth": "0.5", "overrides": overrides}))
        less = results(synthetic_runs(BASE))
        line = check_baseline(*((less, more) if here else (more, less)))[0]
        return line.verdict, line.why

    assert verdict('{"recipe.smooth": 0.5}') == ("not comparable", "recipe.smooth")
    assert verdict('{"recipe.width": 16}') == ("agrees", "identical")  # a default of another version of ganbench
    assert verdict("") == verdict("{broken") == ("agrees", "identical")


def test_another_protocol_is_not_comparable(baseline: Results) -> None:
    runs = [replace(run, protocol="p1") if run.variant == "a" else run for run in synthetic_runs(BASE)]
    assert check_baseline(baseline, results(runs))[0].why == "evaluation protocol of classifier-FID"


def test_an_unknown_protocol_is_not_comparable_even_with_another(baseline: Results) -> None:
    lost = [results(synthetic_runs(BASE)), baseline]
    lost = [replace(found, protocols=found.protocols.iloc[:0]) for found in lost]
    for one, two in ((baseline, lost[0]), (lost[1], results(synthetic_runs(BASE))), (lost[1], lost[0])):
        with pytest.raises(UserError, match="protocol of classifier-FID"):
            check_baseline(one, two)


def test_the_unrecorded_version_is_the_first(baseline: Results) -> None:
    runs = synthetic_runs(BASE, results_version="1", variant_version="1")
    assert verdicts(check_baseline(baseline, results(runs))) == {"a": "agrees", "b": "agrees"}


def test_where_it_ran_may_differ(baseline: Results) -> None:
    runs = changed(BASE, "a", **{"param:precision": "bf16", "param:device": "cuda", "param:threads": "4", "device": "cuda"})
    assert verdicts(check_baseline(baseline, results(runs)))["a"] == "agrees"


def test_of_two_configurations_the_nearest_counts(baseline: Results) -> None:
    tuned = [
        replace(run, fid=1.0 + run.seed / 10, columns={"run_id": f"t{run.seed}", "param:recipe.lr_g": "0.1"})
        for run in synthetic_runs({"a": BASE["a"]})
    ]
    lines = check_baseline(baseline, results([*synthetic_runs(BASE), *tuned]))
    assert verdicts(lines) == {"a": "agrees", "b": "agrees"}


def test_entries_of_several_cohorts_have_different_names() -> None:
    runs = [*synthetic_runs({"a": BASE["a"]}), *synthetic_runs({"a": BASE["b"]}, dataset="mnist")]
    distinct = [replace(run, columns={**run.columns, "run_id": f"run-{i}"}) for i, run in enumerate(runs)]
    lines = check_baseline(results(distinct), results(distinct))
    assert verdicts(lines) == {"a (fashion-mnist)": "agrees", "a (mnist)": "agrees"}


def test_not_run(baseline: Results) -> None:
    lines = check_baseline(baseline, results(synthetic_runs({"b": BASE["b"], "c": (1.0, 2.0, 3.0)})))
    assert verdicts(lines) == {"a": "not run", "b": "agrees"}
    assert check_summary(lines) == "1 of 2 variants of the baseline agrees; 1 not run."


def test_too_few_seeds_on_either_side(baseline: Results) -> None:
    line = check_baseline(baseline, results(synthetic_runs({"a": (10.0, 11.0), "b": BASE["b"]})))[0]
    assert (line.verdict, line.why) == ("too few seeds", "under 3 finished: here")
    line = check_baseline(results(synthetic_runs({"a": (10.0, 11.0), "b": BASE["b"]})), results(synthetic_runs(BASE)))[0]
    assert (line.verdict, line.why) == ("too few seeds", "under 3 finished: baseline")


def test_failed_runs_are_tested_as_in_a_report() -> None:
    eight = {"a": tuple(10.0 + i / 10 for i in range(8))}
    failing = [
        *synthetic_runs({"a": tuple(value + 1 for value in eight["a"][:4])}),
        *(SyntheticRun(variant="a", seed=seed, status="diverged") for seed in range(4, 8)),
    ]
    (line,) = check_baseline(results([*synthetic_runs(eight), *references()]), results(failing))
    values = Sample(values=eight["a"]), Sample(values=tuple(value + 1 for value in eight["a"][:4]), failures=4)
    expected = compare("baseline", "here", *values, card(FID), ScoreScale(untrained=210.0, real=0.1))
    assert line.pair is not None
    assert (line.verdict, line.pair.p_holm, line.pair.better) == ("differs", expected.p, "baseline")


def test_a_variant_that_never_finishes_here_differs(baseline: Results) -> None:
    runs = [replace(run, status="failed") if run.variant == "a" else run for run in synthetic_runs(BASE)]
    lines = check_baseline(baseline, results(runs))
    assert verdicts(lines) == {"a": "differs", "b": "agrees"}
    assert "failed" in lines[0].why
    assert any_differs(lines)


def test_seeds_without_spread() -> None:
    flat, other = {"a": (10.0, 10.0, 10.0), "b": BASE["b"]}, {"a": (11.0, 11.0, 11.0), "b": BASE["b"]}
    assert (check_baseline(results(synthetic_runs(flat)), results(synthetic_runs(flat)))[0].why) == "identical"
    line = check_baseline(results(synthetic_runs(flat)), results(synthetic_runs(other)))[0]
    assert (line.verdict, line.why) == ("not comparable", "the seeds do not differ")


def test_a_finished_run_without_the_metric(baseline: Results) -> None:
    runs = [*synthetic_runs(BASE), SyntheticRun(variant="a", seed=3)]
    assert check_baseline(baseline, results(runs))[0].why == "a finished run was not measured"


def test_a_ratio_is_here_over_baseline_whatever_end_is_better() -> None:
    def scores(values: Sequence[float]) -> Results:
        key = "quality/classifier_score"
        runs = synthetic_runs({"a": values})
        bare = {FID: math.nan, "quality/precision_classifier": math.nan, "quality/recall_classifier": math.nan}
        return results([replace(run, fid=0.0, metrics={**bare, key: value}) for run, value in zip(runs, values, strict=True)])

    (line,) = check_baseline(scores((2.0, 2.1, 2.2)), scores((4.0, 4.2, 4.4)))
    assert line.direction == "higher"
    assert line.ratio is not None
    assert line.ratio[0] == pytest.approx(2.0)
    assert line.ratio[1].low < 2.0 < line.ratio[1].high


def test_nothing_to_compare_is_one_line(baseline: Results) -> None:
    with pytest.raises(UserError, match=r"not run \(2\)") as error:
        check_baseline(baseline, results(synthetic_runs({"c": (1.0, 2.0, 3.0)})))
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match=r"not comparable: budget \(2\)"):
        check_baseline(baseline, results(synthetic_runs(BASE, **{"param:budget.images": "5"})))
    with pytest.raises(UserError, match="test"):
        check_baseline(baseline, results([]))


def test_every_verdict_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "tidy-results.md").read_text(encoding="utf-8")
    table_ = text.partition("| verdict | when |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| ([a-z ]+) \|", table_, flags=re.MULTILINE)) == set(get_args(CheckVerdict))


def test_the_check_needs_no_torch(tmp_path: Path) -> None:
    write_csv(results(synthetic_runs(BASE)), tmp_path)
    code = (
        "import sys; from pathlib import Path\n"
        "from reports.baseline import read_baseline; from reports.baseline_check import check_baseline\n"
        f"found = read_baseline(Path({str(tmp_path)!r}))[0]\n"
        "assert [line.verdict for line in check_baseline(found, found)] == ['agrees', 'agrees']\n"
        "assert 'torch' not in sys.modules and 'mlflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_points_are_compared_on_what_ranks_them(tmp_path: Path) -> None:
    write_csv(results(points({"c": (0.1, 0.11, 0.12), "d": (0.5, 0.52, 0.54)})), tmp_path)
    published = read_baseline(tmp_path)[0]
    assert verdicts(check_baseline(published, results(points({"c": (0.11, 0.1, 0.12), "d": (0.9, 0.92, 0.94)})))) == {
        "c": "agrees",
        "d": "differs",
    }
