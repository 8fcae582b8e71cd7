"""Complete studies: resumed, shared, interrupted, and with killed workers. Most tests replace the training by a formula."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from small_study import ONE, STUDY, Fake, planned, swept

from bench.core.config import RunConfig
from bench.core.errors import UserError
from bench.metrics.columns import FID_DISTILLED, PIXELS
from bench.runs import auto_choice
from bench.runs.auto_choice import Choice
from bench.tracking.client import Lookup
from bench.tracking.results import load
from studies.kinds import open_storage
from studies.optuna_studies import open_study
from studies.study import Plan
from studies.sweep import StudyDisplay

FAST = {**STUDY.settings, "budget.images": 320, "evaluation.standard_errors": False}


def lr(config: RunConfig) -> float:
    return 1e4 * float(config.recipe.lr_g)


def study_of(plan: Plan, arm: int = 0) -> optuna.Study:
    return open_study(plan, plan.arms[arm], open_storage(plan.storage))


def states(plan: Plan, arm: int = 0) -> list[str]:
    return [trial.state.name for trial in study_of(plan, arm).get_trials()]


def test_a_study_from_its_first_trial_to_its_final_runs(uri: str, tmp_path: Path) -> None:
    plan = planned(uri, tmp_path, replace(STUDY, settings=FAST, final_seeds=2, trials=2))
    found = swept(plan)
    assert [(one.variant, one.done, one.wanted) for one in found.standings] == [("label-smoothed", 2, 2), ("dcgan", 2, 2)]
    assert not found.interrupted
    runs = load(uri, ("tiny",)).runs
    runs = runs[runs["kind"] == "run"]
    tags = {run.info.run_id: run.data.tags for run in _all_runs(uri)}
    phases = runs["run_id"].map(lambda run_id: tags[run_id]["phase"])
    searched, final = runs[phases == "search"], runs[phases == "final"]
    assert set(searched["status"]) == set(final["status"]) == {"finished"}
    assert len(searched) == 4
    assert sorted(set(searched["seed"])) == [1_000_000]
    assert sorted(set(final["seed"])) == [0, 1]
    assert searched["diversity/vendi_score"].isna().all()  # only the objective is measured
    assert final["diversity/vendi_score"].notna().all()
    for arm in (0, 1):
        for trial in study_of(plan, arm).get_trials():
            (run_id,) = trial.user_attrs["runs"]
            row = searched.set_index("run_id").loc[run_id]
            assert trial.value == row["quality/fid_distilled"]
            assert tags[run_id]["trial"] == str(trial.number)
            assert tags[run_id]["mlflow.parentRunId"] == _parent(uri)
    recipes = {tags[run_id]["recipe"] for run_id in final["run_id"]}
    assert recipes <= {"tuned", "default", "both"}
    again = swept(plan)
    assert again.final is not None
    assert not again.final.results
    assert len(_all_runs(uri)) == len(tags)


def _all_runs(uri: str) -> list[Any]:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    found = client.get_experiment_by_name("tiny")
    assert found is not None
    return list(client.search_runs([found.experiment_id], max_results=1000))


def _parent(uri: str) -> str:
    return next(run.info.run_id for run in _all_runs(uri) if run.data.tags["kind"] == "parent")


@pytest.mark.slow
def test_a_better_trial_changes_the_final_runs(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([5.0, 4.0, 3.0])
    Fake(monkeypatch, lambda _: next(scores))

    def recipes() -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for run in _all_runs(uri):
            if run.data.tags.get("phase") == "final":
                found.setdefault(run.data.tags["recipe"], set()).add(run.data.tags["trial"])
        return found

    swept(planned(uri, tmp_path, replace(ONE, final_seeds=1, trials=1)))
    assert recipes() == {"both": {"0"}}
    swept(planned(uri, tmp_path, replace(ONE, final_seeds=1, trials=2)))
    assert recipes() == {"tuned": {"1"}, "default": {""}}
    swept(planned(uri, tmp_path, replace(ONE, final_seeds=1, trials=3)))
    assert recipes() == {"tuned": {"2"}, "default": {""}, "superseded": {"1"}}


def test_more_trials_are_added_to_recorded_ones(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake(monkeypatch, lr)
    swept(planned(uri, tmp_path))
    swept(planned(uri, tmp_path))
    assert len(fake.configs) == 3
    swept(planned(uri, tmp_path, replace(ONE, trials=5)))
    assert len(fake.configs) == 5
    assert len({config.canonical() for config in fake.configs}) == 5


def test_the_choice_for_auto_is_recorded_and_stays(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake(monkeypatch, lambda config: 50.0)
    choices = [Choice(precision=precision, memory_format="contiguous") for precision in ("bf16", "fp32")]
    study = replace(ONE, trials=1, settings={path: value for path, value in ONE.settings.items() if path != "precision"})
    monkeypatch.setattr(auto_choice, "choice_of_cpu", lambda *, save: choices[0])
    dry = planned(uri, tmp_path, study)
    assert Lookup.of(uri, "tiny").tags == {}
    swept(dry)
    monkeypatch.setattr(auto_choice, "choice_of_cpu", lambda *, save: choices[1])
    swept(planned(uri, tmp_path, replace(study, trials=2)))
    assert [(config.precision, config.memory_format) for config in fake.configs] == [("bf16", "contiguous")] * 2


def test_variants_take_turns(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake(monkeypatch, lr)
    swept(planned(uri, tmp_path, STUDY))
    assert [config.variant for config in fake.configs] == ["label-smoothed", "dcgan"] * 3


def test_a_study_of_that_name_with_another_space(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Fake(monkeypatch, lr)
    swept(planned(uri, tmp_path))
    with pytest.raises(
        UserError,
        match=r"the study 'tiny/label-smoothed' already exists with another space \(lr-k, not lr-k-tied\): choose another --name",
    ):
        swept(planned(uri, tmp_path, replace(ONE, space="lr-k-tied")))
    assert states(planned(uri, tmp_path)) == ["COMPLETE"] * 3


def test_an_unfinished_study_keeps_the_headline_it_began_with(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake(monkeypatch, lr)
    study = replace(ONE, settings=FAST)
    begun = replace(study, objectives=(PIXELS,))
    swept(planned(uri, tmp_path, replace(begun, trials=2)))
    swept(planned(uri, tmp_path, replace(study, final_seeds=1)))  # it names no objective, and distilled FID is the headline
    assert states(planned(uri, tmp_path, begun)) == ["COMPLETE"] * 3
    (third,) = fake.configs[2:]
    assert (third.evaluation.headline, third.evaluation.metrics) == (PIXELS, (PIXELS,))
    runs = load(uri, ("tiny",)).runs
    assert set(runs[runs["phase"] == "final"]["headline"]) == {PIXELS}
    with pytest.raises(UserError, match="already exists with another objective"):
        swept(planned(uri, tmp_path, replace(study, objectives=(FID_DISTILLED,))))


def test_a_study_that_another_process_is_creating_is_no_other_study(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A summary without attributes but with trials is not an error. Optuna can return one while another process creates the study."""
    Fake(monkeypatch, lr)
    swept(planned(uri, tmp_path))
    summaries = optuna.get_all_study_summaries

    def read_early(*args: Any, **kwargs: Any) -> list[optuna.study.StudySummary]:
        found = summaries(*args, **kwargs)
        for summary in found:
            summary.user_attrs.clear()
        return found

    monkeypatch.setattr(optuna, "get_all_study_summaries", read_early)
    swept(planned(uri, tmp_path))
    assert states(planned(uri, tmp_path)) == ["COMPLETE"] * 3


def test_a_variant_whose_trials_crash_is_given_up_and_the_others_continue(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Fake(monkeypatch, lambda config: "failed" if config.variant == "dcgan" else 1.0)
    plan = planned(uri, tmp_path, STUDY)
    found = swept(plan)
    assert found.given_up == ("dcgan",)
    assert states(plan, 0) == ["COMPLETE"] * 3
    assert states(plan, 1) == ["FAIL"] * 3


def test_a_stopped_study_is_resumed(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = planned(uri, tmp_path)
    fake = Fake(monkeypatch, lr)
    found = swept(plan, stop=lambda: len(fake.configs) >= 2)
    assert found.interrupted
    assert states(plan) == ["COMPLETE"] * 2
    assert not swept(plan).interrupted
    assert states(plan) == ["COMPLETE"] * 3


def test_two_at_once_share_the_work(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake(monkeypatch, lr)
    plan = planned(uri, tmp_path, replace(STUDY, trials=6))
    errors: list[BaseException] = []

    def share() -> None:
        try:
            swept(plan)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=share) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert states(plan, 0) == states(plan, 1) == ["COMPLETE"] * 6
    assert len(fake.configs) == len({config.canonical() for config in fake.configs}) == 12


@pytest.mark.slow
def test_the_trial_of_a_dead_process_is_repeated(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = planned(uri, tmp_path)
    Fake(monkeypatch, lr)
    program = (
        "import sys; from studies.study import Plan; from studies.kinds import open_storage; from studies.optuna_studies import open_study\n"
        "plan = Plan.model_validate_json(sys.stdin.read()); storage = open_storage(plan.storage); study = open_study(plan, plan.arms[0], storage)\n"
        "worker = storage.worker('dead'); name = worker.__enter__(); trial = study.ask()\n"
        "[dimension.suggest(trial) for dimension in plan.arms[0].dimensions]; storage.begin(trial, name)\n"
        "import os; os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", program], input=plan.model_dump_json(), text=True, check=False)
    assert done.returncode == -9
    assert states(plan) == ["RUNNING"]
    swept(plan)
    assert states(plan) == ["FAIL", "COMPLETE", "COMPLETE", "COMPLETE"]
    first, second = study_of(plan).get_trials()[:2]
    assert first.params == second.params
    assert second.user_attrs["default"]


class RecordingDisplay(StudyDisplay):
    def __init__(self) -> None:
        self.statuses: list[str] = []
        self.searches = 0

    def end(self, job: Any, result: Any, standings: Any) -> None:
        self.statuses.append(result.status)

    def searched(self, standings: Any) -> None:
        self.searches += 1


def test_the_display_is_called(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Fake(monkeypatch, lambda config: "diverged" if config.recipe.lr_g > 1e-3 else 1.0)
    display = RecordingDisplay()
    swept(planned(uri, tmp_path, replace(ONE, trials=6, sampler="random")), display=display)
    assert sorted(set(display.statuses)) == ["diverged", "finished"]
    assert len(display.statuses) == 6
    assert display.searches == 0  # the study has no final runs


@pytest.mark.slow  # starts Ray
def test_two_workers_end_with_exactly_the_requested_trials(uri: str, tmp_path: Path) -> None:
    plan = planned(uri, tmp_path, replace(STUDY, trials=4))
    swept(plan, workers=2)
    assert states(plan, 0) == states(plan, 1) == ["COMPLETE"] * 4
    assert sum(run.data.tags.get("phase") == "search" for run in _all_runs(uri)) == 8


@pytest.mark.slow
def test_a_call_for_some_variants_or_fewer_seeds_leaves_the_others_alone(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = {"label-smoothed": iter([5.0, 4.0]), "dcgan": iter([5.0, 4.0])}
    Fake(monkeypatch, lambda config: next(scores[config.variant]))
    study = replace(STUDY, trials=2, final_seeds=2)
    swept(planned(uri, tmp_path, study, only=("label-smoothed",)))
    swept(planned(uri, tmp_path, replace(study, final_seeds=1), only=("dcgan",)))
    swept(planned(uri, tmp_path, replace(study, final_seeds=1), only=("label-smoothed",)))
    recipes = [(run.data.tags["variant"], run.data.tags["recipe"]) for run in _all_runs(uri) if run.data.tags.get("phase") == "final"]
    assert sorted(recipes) == sorted(
        [("label-smoothed", "tuned"), ("label-smoothed", "default")] * 2 + [("dcgan", "tuned"), ("dcgan", "default")]
    )
    (study_json,) = load(uri, ("tiny",)).studies
    assert sorted(study_json["variants"]) == ["dcgan", "label-smoothed"]


def test_a_refused_study_writes_nothing(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Fake(monkeypatch, lr)
    swept(planned(uri, tmp_path, STUDY, only=("dcgan",)))
    with pytest.raises(UserError, match=r"the study 'tiny/dcgan' already exists with another space \(lr-k, not lr-k-tied\)"):
        swept(planned(uri, tmp_path, replace(STUDY, space="lr-k-tied")))
    with pytest.raises(UserError, match="'tiny/dcgan' already exists with another space"):  # a variant that this call excludes
        swept(planned(uri, tmp_path, replace(STUDY, space="lr-k-tied"), only=("label-smoothed",)))
    swept(planned(uri, tmp_path, STUDY))
    assert states(planned(uri, tmp_path, STUDY)) == ["COMPLETE"] * 3


def test_a_lost_store_costs_no_trial(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = planned(uri, tmp_path)

    def away(config: RunConfig) -> float:
        raise UserError("the tracking store does not answer")

    Fake(monkeypatch, away)
    with pytest.raises(UserError, match="the tracking store does not answer"):
        swept(plan)
    assert states(plan) == ["FAIL"]
    Fake(monkeypatch, lr)
    swept(plan)
    assert states(plan) == ["FAIL", "COMPLETE", "COMPLETE", "COMPLETE"]
    assert study_of(plan).get_trials()[1].user_attrs["default"]


@pytest.mark.slow
def test_a_run_of_another_protocol_is_not_reused(uri: str, tmp_path: Path) -> None:
    swept(planned(uri, tmp_path, replace(ONE, trials=1)))
    other = planned(
        uri, tmp_path, replace(ONE, trials=1, objectives=("quality/coverage_classifier",)), storage=str(tmp_path / "other.journal")
    )  # fmt: skip
    swept(other)
    (trial,) = study_of(other).get_trials()
    assert trial.value is not None
    assert 0 <= trial.value <= 1


def test_a_stopped_study_draws_what_an_uninterrupted_one_draws(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def points(name: str, interrupted: bool) -> list[Any]:
        (tmp_path / name).mkdir()
        plan = planned(uri, tmp_path / name, replace(ONE, sampler="random", trials=4))
        endings = iter(["interrupted" if interrupted and number in (1, 3) else 1.0 for number in range(8)])
        Fake(monkeypatch, lambda _: next(endings))
        swept(plan)
        return [trial.params for trial in study_of(plan).get_trials() if trial.state.name == "COMPLETE"]

    assert points("a", interrupted=True) == points("b", interrupted=False)


@pytest.mark.slow
def test_points_are_added_to_a_grid(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Fake(monkeypatch, lambda config: "failed" if config.recipe.k == 2 else 1.0)
    study = replace(ONE, sampler="grid", space="lr-k-tied")
    found = swept(planned(uri, tmp_path, replace(study, trials=3)))
    assert [(one.done, one.wanted) for one in found.standings] in ([(3, 3)], [(2, 2)], [(1, 1)])
    monkeypatch.setattr("studies.sweep.GIVE_UP", 99)
    plan = planned(uri, tmp_path, replace(study, trials=100))
    (standing,) = swept(plan).standings
    assert (standing.done, standing.wanted, standing.failed) == (17, 17, 4)
    points = [(trial.params["recipe.lr_g"], trial.params["recipe.k"]) for trial in study_of(plan).get_trials()[1:]]
    assert len(points) == len(set(points)) == 20


def test_a_missing_default_is_enqueued(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Fake(monkeypatch, lr)
    plan = planned(uri, tmp_path)
    created = optuna.create_study(storage=open_storage(plan.storage).optuna, study_name="tiny/label-smoothed")
    created.set_user_attr("ganbench", plan.identity(plan.arms[0]))  # the state of the study if the process is killed here
    swept(plan)
    assert [bool(trial.user_attrs.get("default")) for trial in study_of(plan).get_trials()] == [True, False, False]


def test_a_journal_that_is_deleted_meanwhile_is_one_line(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = planned(uri, tmp_path)

    def delete(config: RunConfig) -> float:
        (tmp_path / "studies.journal").unlink()
        return 1.0

    Fake(monkeypatch, delete)
    with pytest.raises(UserError, match=r"--storage .*studies\.journal failed: No such file or directory"):
        swept(plan)


@pytest.mark.parametrize("damage", [b'{"op_code": 4, "garb\n', b"\xff\n", b"7\n"])
def test_a_line_that_is_damaged_meanwhile_is_one_line(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: bytes) -> None:
    path = tmp_path / "studies.journal"

    def damaged(config: RunConfig) -> float:
        end = path.read_bytes().splitlines(keepends=True)[-1]
        path.write_bytes(path.read_bytes() + damage + end)
        return 1.0

    Fake(monkeypatch, damaged)
    with pytest.raises(UserError, match=r"--storage .*studies\.journal failed: its line \d+ is damaged"):
        swept(planned(uri, tmp_path))


def test_a_study_resumes_with_a_damaged_last_line_in_its_journal(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    Fake(monkeypatch, lr)
    plan = planned(uri, tmp_path)
    swept(plan)
    before = [trial.value for trial in study_of(plan).get_trials()]
    with (tmp_path / "studies.journal").open("ab") as journal:
        journal.write(b'{"op_code": 4, "garb\n')
    (standing,) = swept(plan.model_copy(update={"trials": plan.trials + 1})).standings
    assert standing.complete == len(before) + 1
    assert [trial.value for trial in study_of(plan).get_trials()][: len(before)] == before
    assert "21 bytes" in caplog.text


def test_a_finished_seed_of_a_stopped_trial_is_tagged_with_the_repeated_trial(uri: str, tmp_path: Path) -> None:
    plan = planned(uri, tmp_path, replace(ONE, search_seeds=2, trials=1))
    calls = [0]

    def stop() -> bool:
        return calls[0] > 0

    class Stopper(StudyDisplay):
        def update(self, job: Any, progress: Any) -> None:
            if progress.share >= 1:
                calls[0] += 1

    assert swept(plan, stop=stop, display=Stopper()).interrupted
    swept(plan)
    tags = [run.data.tags for run in _all_runs(uri) if run.data.tags.get("phase") == "search"]
    assert sorted((tag["seed"], tag["trial"], tag["status"]) for tag in tags) == [
        ("1000000", "1", "finished"),
        ("1000001", "1", "finished"),
    ]
