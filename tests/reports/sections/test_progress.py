"""Section on progress against images and against seconds, with an explanation of the seconds."""

from __future__ import annotations

from dataclasses import replace

from synthetic_results import SyntheticRun, references, results, synthetic_runs

from bench.tracking.results import Results
from reports.document import Figure, Section
from reports.sections import progress
from reports.view import view

TWO = {"b": (10.0, 11.0, 12.0), "a": (20.0, 21.0, 22.0)}


def built(found: Results) -> Section:
    section = progress.build(view(found))
    assert section is not None
    return section


def figures(found: Results) -> list[Figure]:
    return [block for block in built(found).blocks if isinstance(block, Figure)]


def test_the_alternative_texts_have_the_drawn_values() -> None:
    images, seconds = figures(results([*synthetic_runs(TWO), *references()]))
    assert (images.id, seconds.id) == ("progress-0", "progress-seconds-0")
    assert "a 21, b 11" in images.picture.alt
    assert "a 21 at 30 s, b 11 at 30 s" in seconds.picture.alt
    assert images.caption.endswith("Real images: 0.100.")
    assert all("untrained" in figure.picture.data.decode() for figure in (images, seconds))
    assert "seconds of training" in seconds.picture.data.decode()
    assert "machine" in seconds.caption
    assert "devices" not in seconds.caption


def test_two_devices_are_named_with_their_markup_as_text() -> None:
    runs = [replace(run, columns={"device": "cpu" if run.seed else "cuda\n<b>"}) for run in synthetic_runs(TWO)]
    (_, seconds) = figures(results(runs))
    assert "cpu and cuda <b>" in " ".join(seconds.caption.split())


def test_one_device_and_runs_that_recorded_none_are_not_two() -> None:
    runs = [replace(run, columns={"device": "cpu" if run.seed else ""}) for run in synthetic_runs(TWO)]
    assert "devices" not in figures(results(runs))[1].caption


def test_no_clock_without_different_seconds() -> None:
    found = results(synthetic_runs(TWO))
    found.curves["seconds"] = 0.0
    assert [figure.id for figure in figures(found)] == ["progress-0"]


def test_a_budget_in_seconds_has_means() -> None:
    """With a budget in seconds, seeds reach their evaluation points at different numbers of images, and still have means."""
    budget = {"param:budget.images": "None", "param:budget.train_seconds": "30.0"}
    found = results([SyntheticRun(variant="a", seed=seed, fid=10.0 + seed, columns=budget) for seed in range(3)])
    found.curves["images"] += found.curves["run_id"].map({"a-0": 0, "a-1": 64, "a-2": 640})
    images, seconds = figures(found)
    assert images.picture.alt.endswith(": a 11")
    assert seconds.picture.alt.endswith(": a 11 at 30 s")
