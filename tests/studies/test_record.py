"""study.json and the parent run of a study, checked against its trials."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from mlflow import MlflowClient
from small_study import ONE, STUDY, Fake, planned, swept

from bench.core.config import RunConfig
from bench.core.errors import UserError
from bench.tracking.client import Tracker
from bench.tracking.pages import every_run
from bench.tracking.results import STUDY as STUDY_FILE
from bench.tracking.study_record import StudyRecord
from studies.importance import FEWEST, importance
from studies.kinds import open_storage
from studies.optuna_studies import open_study
from studies.record import as_json, best, front
from studies.study import Plan


def lr(config: RunConfig) -> float:
    return 1e4 * float(config.recipe.lr_g)


def studies(plan: Plan) -> list[optuna.Study]:
    return [open_study(plan, arm, open_storage(plan.storage)) for arm in plan.arms]


def parents(tracker: Tracker) -> list[str]:
    """Return the ids of the parent runs of the study."""
    return [run.info.run_id for run in every_run(tracker.client, [tracker._experiment_id], "tags.kind = 'parent'")]


def recorded(plan: Plan) -> dict[str, Any]:
    """Return study.json of the parent."""
    client = MlflowClient(tracking_uri=plan.uri)
    (parent,) = parents(Tracker(plan.uri, plan.study))
    return json.loads(Path(client.download_artifacts(parent, STUDY_FILE)).read_text())


def test_it_records_the_space_and_the_trials(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Fake(monkeypatch, lr)
    plan = planned(uri, tmp_path, STUDY)
    swept(plan)
    found = recorded(plan)
    assert StudyRecord.model_validate(found).model_dump(mode="json") == found
    assert (found["format"], found["study"], found["dataset"], found["budget"]) == (1, "tiny", "digits", "640 images")
    assert (found["sampler"], found["pruner"], found["trials_wanted"], found["search_seeds"]) == ("tpe", "none", 3, [1_000_000])
    assert found["objectives"] == [{"key": "quality/fid_distilled", "direction": "lower"}]
    assert [dimension["path"] for dimension in found["space"]["dimensions"]] == ["recipe.lr_g", "recipe.lr_d", "recipe.k"]
    assert list(found["variants"]) == ["dcgan", "label-smoothed"]
    for variant in found["variants"].values():
        trials = variant["trials"]
        assert [trial["number"] for trial in trials] == [0, 1, 2]
        assert [trial["default"] for trial in trials] == [True, False, False]
        assert all(trial["state"] == "complete" and trial["images"] == 640 and trial["started"] <= trial["ended"] for trial in trials)
        assert all(trial["values"] == [pytest.approx(1e4 * trial["params"]["recipe.lr_g"])] for trial in trials)
        lowest = min(trials, key=lambda trial: trial["values"][0])
        assert (variant["best"]["number"], variant["best"]["values"]) == (lowest["number"], lowest["values"])
    assert "--set recipe.width=8" in found["variants"]["dcgan"]["best"]["set"]


def test_a_default_that_nothing_beat_is_the_best(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Fake(monkeypatch, lambda config: 1.0 if config.recipe.lr_g == 1e-4 else 2.0)
    plan = planned(uri, tmp_path)
    swept(plan)
    chosen = recorded(plan)["variants"]["label-smoothed"]["best"]
    assert (chosen["number"], chosen["default"], chosen["settings"], chosen["set"]) == (
        0,
        True,
        {},
        "--set budget.images=640 --set device=cpu --set precision=fp32",
    )


def test_a_study_of_diverged_trials_is_json_without_infinities(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Fake(monkeypatch, lambda _: "diverged")
    plan = planned(uri, tmp_path)
    swept(plan)
    (variant,) = recorded(plan)["variants"].values()
    assert variant["best"] is None
    assert {(trial["state"], trial["diverged"], trial["reason"]) for trial in variant["trials"]} == {("complete", True, "it diverged")}


def test_a_resumed_study_has_the_same_parent(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Fake(monkeypatch, lr)
    swept(planned(uri, tmp_path))
    swept(planned(uri, tmp_path, replace(ONE, trials=5)))
    client, tracker = MlflowClient(tracking_uri=uri), Tracker(uri, "tiny")
    (parent,) = parents(tracker)
    run = client.get_run(parent)
    assert (run.info.status, run.data.tags["status"], run.data.tags["kind"]) == ("FINISHED", "finished", "parent")
    history = {point.step: point.value for point in client.get_metric_history(parent, "search/label-smoothed")}
    values = [trial.value for trial in studies(planned(uri, tmp_path, replace(ONE, trials=5)))[0].get_trials()]
    assert history == dict(enumerate(values))
    falling = {point.step: point.value for point in client.get_metric_history(parent, "search/label-smoothed/best")}
    assert [falling[step] for step in range(5)] == [min(values[: step + 1]) for step in range(5)]  # type: ignore[type-var]
    assert len(client.get_metric_history(parent, "search/label-smoothed")) == 5  # one point for each trial
    assert len(recorded(planned(uri, tmp_path))["variants"]["label-smoothed"]["trials"]) == 5


def test_the_front_by_brute_force(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = planned(uri, tmp_path, replace(ONE, objectives=("quality/fid_classifier", "quality/coverage_classifier")))
    (study,) = studies(plan)
    study.get_trials()
    draw = random.Random(0)
    copies = optuna.create_study(directions=["minimize", "maximize"])
    points = [(draw.randint(0, 9), draw.randint(0, 9)) for _ in range(40)]
    for point in points:
        copies.add_trial(optuna.create_trial(values=point))
    expected = [number for number, (a, b) in enumerate(points) if not any(c <= a and d >= b and (c, d) != (a, b) for c, d in points)]
    assert [trial.number for trial in front(plan, copies.get_trials())] == expected
    chosen = best(plan, copies.get_trials())
    assert chosen is not None
    assert chosen.values[0] == min(a for a, _ in points)


@pytest.mark.slow
def test_importance_finds_the_dimension_that_matters(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import math

    Fake(monkeypatch, lambda config: math.exp((math.log10(float(config.recipe.lr_g)) + 3) ** 2))
    plan = planned(uri, tmp_path, replace(ONE, sampler="random", trials=30))
    swept(plan)
    found = recorded(plan)["variants"]["label-smoothed"]
    values = found["importance"]
    assert max(values, key=lambda path: values[path]["mean"]) == "recipe.lr_g"
    assert values["recipe.lr_g"]["mean"] > 0.7
    assert all(0 <= share["sd"] < 0.5 for share in values.values())
    assert sum(share["mean"] for share in values.values()) == pytest.approx(1.0)
    assert found["importance_note"] == "fANOVA, mean and sd over 20 half-samples of 30 trials"


@pytest.mark.parametrize(
    ("trials", "score", "words"),
    [
        (FEWEST - 1, 2.0, "9 trials are too few: at least 10 are needed"),
        (FEWEST, 2.0, "all scores are equal"),
        (FEWEST, "diverged", "no trial has a score"),
    ],
)
def test_importance_of_unsuitable_trials_is_a_note(
    trials: int, score: Any, words: str, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Fake(monkeypatch, lambda _: score)
    plan = planned(uri, tmp_path, replace(ONE, sampler="random", trials=trials))
    swept(plan)
    (study,) = studies(plan)
    found = importance(plan, plan.arms[0], study.get_trials())
    assert (found.values, found.note) == (None, words)
    assert json.loads(as_json(plan, [study], {"label-smoothed": found}))["variants"]["label-smoothed"]["importance_note"] == words


@pytest.mark.parametrize("failures", [1, 1000])  # number of failed reads of the recorded state
def test_a_recorded_state_that_cannot_be_read_is_not_overwritten(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    Fake(monkeypatch, lr)
    swept(planned(uri, tmp_path, STUDY, only=("dcgan",)))
    before = recorded(planned(uri, tmp_path, STUDY))["variants"]
    read, left = Tracker.read_json, iter(range(failures))

    def broken(tracker: Tracker, run_id: str, path: str) -> dict[str, Any] | None:
        if next(left, None) is not None:
            raise UserError("502 Bad Gateway")
        return read(tracker, run_id, path)

    monkeypatch.setattr(Tracker, "read_json", broken)
    swept(planned(uri, tmp_path, STUDY, only=("label-smoothed",)))
    after = recorded(planned(uri, tmp_path, STUDY))["variants"]
    assert after["dcgan"] == before["dcgan"]
    assert ("label-smoothed" in after) is (failures == 1)
