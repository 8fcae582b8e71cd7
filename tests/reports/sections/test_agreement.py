"""Section on the agreement of ranks by different extractors, and entries whose ranks differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from synthetic_results import PIXELS, SyntheticRun, results, synthetic_runs

from bench.metrics.columns import FID_DISTILLED
from reports.document import Figure, Text
from reports.extractor_ranks import contested, ranked
from reports.sections import agreement
from reports.view import view

INCEPTION = "quality/fid_inception"
FIDS = {"a": (10.0, 11.0), "b": (20.0, 21.0), "c": (30.0, 31.0), "d": (40.0, 41.0)}


def runs_with(order: str, key: str = PIXELS, fids: dict[str, Sequence[float]] | None = None) -> list[SyntheticRun]:
    """Return the runs of FIDS whose second metric ranks the entries in this order. Other entries lack that metric."""
    values = {name: {key: 1.0 + i} for i, name in enumerate(order)}
    return [replace(run, metrics=values.get(run.variant, {})) for run in synthetic_runs(fids or FIDS)]


def sentences(runs: list[SyntheticRun]) -> list[str]:
    section = agreement.build(view(results(runs)))
    assert section is not None
    return [block.text for block in section.blocks if isinstance(block, Text)]


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ("abcd", ("6 of 6 pairs", "τ = 1.00")),
        ("dcba", ("0 of 6 pairs", "τ = −1.00")),
        ("bacd", ("5 of 6 pairs", "τ = 0.667")),
    ],
)
def test_agreement_in_numbers(order: str, words: tuple[str, ...]) -> None:
    sentence = sentences(runs_with(order))[0]
    assert all(part in sentence for part in ("classifier-FID and pixel Fréchet", *words))


def test_equal_values_have_no_correlation() -> None:
    runs = [replace(run, metrics={PIXELS: 1.0}) for run in synthetic_runs(FIDS)]
    assert "0 of 6 pairs" in sentences(runs)[0]
    assert "τ" not in sentences(runs)[0]


def test_an_entry_half_the_table_away_is_marked() -> None:
    """In the order b, c, a, d, only the rank of a differs by two of four places, so only a is marked."""
    (cohort,) = view(results(runs_with("bcad"))).cohorts
    assert contested(ranked(cohort)) == ["a"]
    assert "a has rank 1 by classifier-FID and rank 3 by pixel Fréchet" in sentences(runs_with("bcad"))[1]
    assert "has rank" not in sentences(runs_with("bacd"))[1]


def test_three_extractors_make_three_pairs_and_the_optional_one_gives_way() -> None:
    runs = [replace(run, metrics={**run.metrics, INCEPTION: 100.0 - run.fid}) for run in runs_with("abcd")]
    assert [sentence.partition(" order ")[0] for sentence in sentences(runs)[:3]] == [
        "classifier-FID and pixel Fréchet",
        "classifier-FID and FID (Inception)",
        "pixel Fréchet and FID (Inception)",
    ]
    few = [replace(run, metrics={**run.metrics, INCEPTION: 5.0}) if run.variant in "ab" else run for run in runs_with("abcd")]
    assert "6 of 6 pairs" in sentences(few)[0]
    assert len(sentences(few)) == 2


def test_only_features_of_this_data_are_explained() -> None:
    """The words about a distilled network, a classifier and pixels come with the metric on these features."""

    def explained(runs: list[SyntheticRun]) -> set[str]:
        text = " ".join(sentences(runs))
        return {word for word in ("distilled network", "classifier's features", "Pixels respond") if word in text}

    runs = runs_with("abcd")
    assert explained(runs) == {"classifier's features", "Pixels respond"}
    assert explained([replace(run, metrics={**run.metrics, FID_DISTILLED: run.fid}) for run in runs]) == {
        "distilled network",
        *explained(runs),
    }
    assert explained([replace(run, metrics={INCEPTION: run.fid}) for run in runs]) == {"classifier's features"}


def test_failed_runs_do_not_change_the_ranks() -> None:
    runs = [*runs_with("abcd"), SyntheticRun(variant="a", seed=2, status="diverged")]
    assert "τ = 1.00" in sentences(runs)[0]


def test_the_figure_says_its_setting_and_rule() -> None:
    section = agreement.build(view(results(runs_with("abcd"))))
    assert section is not None
    figure = section.blocks[-1]
    assert isinstance(figure, Figure)
    assert figure.caption.startswith("fashion-mnist, 150,000 real images each, published recipes.")
    assert "at least 2," in figure.caption


@pytest.mark.parametrize("order", ["", "ab"])
def test_not_under_three_entries_with_both(order: str) -> None:
    assert agreement.build(view(results(runs_with(order)))) is None
