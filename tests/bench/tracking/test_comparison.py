"""Which runs MLflow's pages compare, and how they are grouped."""

from __future__ import annotations

from typing import Any

from mlflow.entities import Metric, Param, Run, RunData, RunInfo, RunTag

from bench.metrics.columns import FID_CLASSIFIER, FID_DISTILLED
from bench.tracking.comparison import Comparison, compare, standard_errors

FINAL = {"study": "lr", "phase": "final", "recipe": "tuned"}


def run(variant: str = "dcgan", *, metrics: tuple[str, ...] = (FID_DISTILLED,), params: dict[str, Any] | None = None, **tags: str) -> Run:
    """Return a finished run on Fashion-MNIST, with other tags and parameters if given."""
    given = {"kind": "run", "variant": variant, "status": "finished", "dataset": "fashion-mnist", "headline": FID_DISTILLED, **tags}
    values = {"budget.images": "1000", "recipe.lr_g": "0.1", **(params or {})}
    data = RunData(
        metrics=[Metric(key, 1.0, 0, 1000) for key in metrics],
        params=[Param(path, str(value)) for path, value in values.items()],
        tags=[RunTag(key, value) for key, value in given.items()],
    )
    info = RunInfo(run_id="r", experiment_id="1", user_id="", status="FINISHED", start_time=1, end_time=2, lifecycle_stage="active")
    return Run(info, data)


def compared(*runs: Run) -> Comparison:
    found = compare(runs)
    assert found is not None
    return found


def keys(*runs: Run) -> list[str]:
    return [name for _, name in compared(*runs).group_by.keys]


def test_only_runs_and_reference_rows_are_compared() -> None:
    assert compare([]) is None
    assert compare([run(kind="parent")]) is None
    assert compared(run(kind="reference"), run(kind="parent")).kind == "reference"
    assert compared(run(kind="reference"), run()).query == "tags.kind = 'run' and tags.status = 'finished'"


def test_seeds_of_a_variant_are_one_group() -> None:
    runs = [run(seed="0", params={"seed": 0, "evaluation.samples": 5}), run(seed="1", params={"seed": 1, "evaluation.samples": 6})]
    assert keys(*runs, run("wgan", params={"recipe.lr_g": 0.5})) == ["variant"]
    assert compared(*runs, run("wgan")).group_by.groups == [("dcgan",), ("wgan",)]


def test_runs_that_may_not_be_compared_are_in_different_groups() -> None:
    assert keys(run(), run("wgan", dataset="digits")) == ["variant", "dataset"]
    assert keys(run(), run("wgan", params={"budget.images": 2000})) == ["variant", "budget.images"]
    assert keys(run(), run("wgan", params={"budget.images": None, "budget.generator_updates": 7})) == [
        "variant", "budget.images", "budget.generator_updates",
    ]  # fmt: skip
    assert compared(run(), run("wgan", params={"vary": "init"})).group_by.groups == [("dcgan", ""), ("wgan", "init")]


def test_two_configurations_of_a_variant_are_two_groups() -> None:
    assert keys(run(), run(params={"recipe.lr_g": 0.2})) == ["variant", "recipe.lr_g"]
    assert keys(run(), run(variant_version="2")) == ["variant", "variant_version"]
    both = {"recipe.lr_g": 0.2, "recipe.lr_d": 0.2}
    assert keys(run(params={"recipe.lr_d": 0.1}), run(params=both)) == ["variant", "recipe.lr_d"]  # one of them separates the runs


def test_a_study_compares_its_final_runs() -> None:
    trial = run(study="lr", phase="search", params={"recipe.lr_g": 0.3})
    runs = [trial, run(**FINAL, params={"recipe.lr_g": 0.3}), run(**{**FINAL, "recipe": "default"})]
    assert keys(*runs) == ["variant", "recipe"]
    assert "tags.phase = 'final'" in compared(*runs).query
    old = run(**{**FINAL, "recipe": "superseded"}, params={"recipe.lr_g": 0.7})
    assert compared(*runs, old) == compared(*runs)


def test_the_trials_of_a_search_are_one_group() -> None:
    trials = [run(study="lr", phase="search", params={"recipe.lr_g": rate}) for rate in (0.1, 0.2, 0.3)]
    assert keys(*trials) == ["variant"]
    assert "phase" not in compared(*trials).query


def test_images_end_at_the_newest_image_of_the_lowest_seed() -> None:
    with_images = run(seed="3", last_image="900")
    assert compared(run()).last_image is None
    assert compared(with_images).last_image == 900
    assert compared(with_images, run(seed="4", last_image="2000")).last_image == 900  # of the lowest seed
    assert compared(with_images, run(seed="3", last_image="2000", status="diverged")).last_image == 900
    assert compared(run(last_image="²")).last_image is None


def test_the_headline_is_that_of_the_runs() -> None:
    assert compared(run(headline="")).headlines == (FID_CLASSIFIER,)  # runs of earlier versions
    points = compared(run(headline="modes/js_mixture"))
    assert (points.headlines, points.ascending) == (("modes/js_mixture",), True)
    assert compared(run(headline="quality/recall_classifier")).ascending is False
    both = compared(run(headline="quality/spectrum"), run(headline="modes/found"))
    assert (both.headlines, both.ascending) == (("modes/found", "quality/spectrum"), False)
    assert compared(run(headline="mine/unregistered")).ascending is True
    assert compared(run(status="failed", headline="quality/kid_classifier"), run()).headlines == (FID_DISTILLED,)


def test_the_metrics_are_those_of_all_runs() -> None:
    found = compared(run(metrics=("quality/kid_classifier", "quality/kid_classifier_se")), run(status="running", metrics=("train/loss_d",)))
    assert found.metrics == {"quality/kid_classifier", "quality/kid_classifier_se", "train/loss_d"}
    assert standard_errors(found.metrics) == ["quality/kid_classifier_se"]
    assert found.budgets == ("budget.images",)
