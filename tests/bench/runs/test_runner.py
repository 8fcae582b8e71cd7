"""One run and its records, for every status."""

from __future__ import annotations

import itertools
import json
import math
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import small
import torch
from PIL import Image
from safetensors.torch import load_file

from bench.core import serialization
from bench.core.config import DATASETS, RESULTS_VERSION, RunConfig, load_config
from bench.core.errors import UserError
from bench.core.spec import Networks
from bench.evaluation.evaluator import Evaluator
from bench.evaluation.generator import load_generator
from bench.metrics.columns import BEST, FID_DISTILLED, PIXELS, SE, measured
from bench.runs.runner import run
from bench.runs.types import RunProgress, RunResult
from bench.tracking import results, store
from bench.tracking.logged_images import SAMPLES, steps_of
from bench.training.loop import Trainer, never


def loaded(uri: str) -> results.Results:
    return results.load(uri, ("small",))


def test_a_finished_run_records_everything(uri: str, tmp_path: Path) -> None:
    progress: list[RunProgress] = []
    config = small.config(**{"evaluation.standard_errors": True})
    result = run(config, small.context(uri, tmp_path / "runs"), watch=progress.append)
    assert result.status == "finished"
    metrics = Evaluator(DATASETS.get("digits")).keys
    assert set(metrics) | {f"{FID_DISTILLED}{SE}"} <= set(result.values)

    found = loaded(uri)
    (row,) = found.runs.to_dict("records")
    assert (row["variant"], row["dataset"], row["seed"], row["status"]) == ("label-smoothed", "digits", 0, "finished")
    assert row["param:recipe.lr_g"] == "0.0001"
    assert row["claims"] == "false"
    assert row["headline"] == FID_DISTILLED
    for key in metrics:
        assert row.get(key, math.nan) == pytest.approx(result.values[key], rel=1e-6, nan_ok=True)

    artifact = lambda path: found.artifact(result.run_id, path)  # noqa: E731
    assert load_config(artifact(results.CONFIG).read_text()) == config
    protocol = found.read_json(result.run_id, results.PROTOCOL)
    assert set(protocol["metrics"]) == set(metrics)
    assert row["protocol"] == protocol["all"]
    assert found.read_json(result.run_id, results.ENVIRONMENT)["threads"] == 1
    evidence = found.read_json(result.run_id, results.EVIDENCE)
    assert {key for key in metrics if math.isnan(result.values[key])} == set(evidence["reasons"])  # every NaN has a reason
    assert "diversity/path_length" not in evidence["reasons"]  # the generator of a run is available
    assert sum(evidence["class_share"]["generated"]) == pytest.approx(1)
    assert "generator.body.0.weight" in load_file(artifact(results.WEIGHTS))
    for picture in (results.FINAL_GRID, results.INTERPOLATION, results.NEAREST):
        assert Image.open(artifact(picture)).size[0] == 8 * 9 + 1
    grids = found.grids(result.run_id)
    assert 1 <= len(grids) <= 5
    assert all(0 < images < 640 and Image.open(artifact(path)).size[0] == 8 * 9 + 1 for images, path in grids)
    table = {metric: (value, error) for metric, value, error in found.read_json(result.run_id, results.METRICS)["data"]}
    assert table[FID_DISTILLED] == (row[FID_DISTILLED], row[f"{FID_DISTILLED}_se"])

    curves = found.curves
    assert set(curves["key"]) >= {
        "train/loss_d",
        "train/loss_g",
        "train/p_real",
        "train/grad_norm_g",
        "train/generator_updates",
        FID_DISTILLED,
    }
    assert sorted(curves[curves["key"] == FID_DISTILLED]["images"]) == [320, 640]
    assert len(curves[curves["key"] == "train/loss_d"]) == 10  # a point for each of the ten rounds
    assert progress[-1].images == 640
    assert (len(row["lineage"]), row["results_version"], row["variant_version"]) == (16, str(RESULTS_VERSION), "1")
    files = {path.name for path in (tmp_path / "runs").rglob("*") if path.is_file()}
    assert files == {"state.safetensors", "metrics.jsonl"}  # a longer run can extend this checkpoint
    logged = [json.loads(line) for path in (tmp_path / "runs").rglob("metrics.jsonl") for line in path.read_text().splitlines()]
    assert sum(len(line) - 2 for line in logged) == len(curves)  # all values except images and seconds
    assert {line["images"] for line in logged} == set(curves["images"])


def test_runs_of_a_budget_have_pictures_and_final_metrics_at_the_same_steps(uri: str, tmp_path: Path) -> None:
    ids = [
        run(small.config(variant, **settings), small.context(uri, tmp_path)).run_id
        for variant, settings in (("label-smoothed", {}), ("wgan", {"recipe.k": 3, "recipe.batch_size": 50}))
    ]
    found, client = loaded(uri), store.connect(uri)
    one, other = ([images for images, _ in found.grids(run_id)] for run_id in ids)
    assert other
    assert set(other) <= set(one)  # a round of wgan may pass two steps
    ends = found.curves.groupby("run_id", observed=True)["images"].max()
    assert sorted(ends) == [640, 750]  # a round of wgan takes 150 images
    for run_id in ids:
        assert found.artifact(run_id, results.FINAL_GRID).read_bytes() == last_image(found, run_id, 640)
        assert [point.step for point in client.get_metric_history(run_id, "perf/train_seconds")] == [640]


def last_image(found: results.Results, run_id: str, step: int) -> bytes:
    (path,) = [path for images, path in steps_of(found.names(run_id, "images"), SAMPLES) if images == step]
    return found.artifact(run_id, path).read_bytes()


def test_a_run_that_its_judge_rejects_is_pruned(uri: str, tmp_path: Path) -> None:
    def judge(progress: RunProgress) -> str:
        return "worse than others" if progress.measured_at == progress.images else ""

    config = small.config()
    context = replace(small.context(uri, tmp_path / "runs"), tags={"trial": "7"}, name="seventh")
    result = run(config, context, judge=judge)
    assert (result.status, result.reason) == ("pruned", "worse than others")
    assert result.values["perf/train_seconds"] > 0
    assert not result.values.keys() & set(measured())
    (row,) = loaded(uri).runs.to_dict("records")
    assert (row["status"], row["reason"], row["trial"]) == ("pruned", "worse than others", "7")
    curve = loaded(uri).curves.query("key == @FID_DISTILLED")
    assert len(curve) == 1
    assert 0 < curve["images"].item() < config.budget.images
    assert not list((tmp_path / "runs").rglob("state.safetensors"))


def test_a_run_is_not_pruned_at_its_end(uri: str, tmp_path: Path) -> None:
    result = run(small.config(), small.context(uri, tmp_path / "runs"), judge=lambda progress: "late" if progress.share >= 1 else "")
    assert result.status == "finished"


def test_the_same_run_twice_is_bit_identical(uri: str, tmp_path: Path) -> None:
    values = []
    for experiment in ("small", "again"):
        torch.rand(5)
        result = run(small.config("dcgan"), small.context(uri, tmp_path, experiment))
        values.append({key: value for key, value in result.values.items() if not key.startswith("perf/")})
    assert values[0] == values[1]


def test_evaluation_changes_no_training(uri: str, tmp_path: Path, whole: tuple[str, RunResult]) -> None:
    result = run(small.config(**{"evaluation.marks": 0}), small.context(uri, tmp_path))
    found = (
        loaded(uri).artifact(result.run_id, results.WEIGHTS),
        results.load(whole[0], ("whole",)).artifact(whole[1].run_id, results.WEIGHTS),
    )
    weights = [load_file(path) for path in found]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize(
    "variant", ["mlp-dropout", pytest.param("dcgan", marks=pytest.mark.slow), pytest.param("wgan-gp", marks=pytest.mark.slow)]
)
def test_an_interrupted_run_resumes_bit_for_bit(uri: str, tmp_path: Path, variant: str) -> None:
    config = small.config(variant, **{"evaluation.best": True, "evaluation.marks": 3, "budget.images": 1920})
    whole = run(config, small.context(uri, tmp_path / "whole", "whole"))
    calls = iter(range(10**6))
    stopped = run(config, small.context(uri, tmp_path), stop=lambda: next(calls) >= 2)
    assert (stopped.status, stopped.reason) == ("interrupted", "stopped by the user")
    assert len(list(tmp_path.rglob("state.safetensors"))) == 2

    resumed = run(config, small.context(uri, tmp_path))
    assert resumed.run_id == stopped.run_id
    assert resumed.status == "finished"
    timeless = lambda values: {key: value for key, value in values.items() if not key.startswith("perf/")}  # noqa: E731
    assert timeless(resumed.values) == timeless(whole.values)
    curves = [results.load(uri, (name,)).curves for name in ("small", "whole")]
    columns = ["images", "key", "value"]
    timeless_curves = [curve[~curve["key"].str.startswith("perf/")][columns].reset_index(drop=True) for curve in curves]
    pd.testing.assert_frame_equal(*timeless_curves)


def test_a_resumed_run_still_knows_when_it_was_measured(uri: str, tmp_path: Path) -> None:
    """Callbacks get the same progress as in a run that was not stopped."""
    progresses: dict[str, list[tuple[int, float, dict[str, float], int, tuple[str, ...]]]] = {"whole": [], "stopped": [], "earlier": []}

    def watched(name: str, stop: Callable[[], bool] = never) -> RunResult:
        def watch(progress: RunProgress) -> None:
            progresses[name].append((progress.images, progress.share, dict(progress.measured), progress.measured_at, progress.flags))

        return run(small.config(), small.context(uri, tmp_path / name, name), stop=stop, watch=watch)

    watched("whole")
    for name in ("stopped", "earlier"):
        assert watched(name, stop=lambda name=name: bool(progresses[name] and progresses[name][-1][2])).status == "interrupted"  # type: ignore[misc]
        before = len(progresses[name])
        assert 0 < before < len(progresses["whole"])
        for path in tmp_path.rglob("earlier/*/state.safetensors"):  # of a version without `measured_at`
            state = serialization.load(path)
            del state["measured_at"]
            serialization.save(state, path)
        assert watched(name).status == "finished"
    assert progresses["stopped"] == progresses["whole"]
    assert [images for images, *_ in progresses["earlier"]] == [images for images, *_ in progresses["whole"]]
    assert {measured_at for *_, measured_at, _ in progresses["earlier"][before:]} == {0}


def test_a_run_stopped_under_another_protocol_restarts(uri: str, tmp_path: Path) -> None:
    calls = iter(range(10**6))
    stopped = run(small.config(), small.context(uri, tmp_path), stop=lambda: next(calls) >= 7)
    assert FID_DISTILLED in loaded(uri).curves["key"].tolist()
    restarted = run(small.config(**{"evaluation.samples": 100}), small.context(uri, tmp_path))
    assert restarted.run_id != stopped.run_id
    found = loaded(uri)
    row = found.runs.set_index("run_id").loc[restarted.run_id]
    assert row["protocol"] == (found.read_json(restarted.run_id, results.PROTOCOL) or {})["all"]


def test_a_resumed_run_keeps_the_headline_it_began_with(uri: str, tmp_path: Path) -> None:
    calls = iter(range(10**6))
    stopped = run(small.config(**{"evaluation.headline": PIXELS}), small.context(uri, tmp_path), stop=lambda: next(calls) >= 7)
    assert stopped.status == "interrupted"
    progress: list[RunProgress] = []
    resumed = run(small.config(), small.context(uri, tmp_path), watch=progress.append)
    assert (resumed.run_id, resumed.status) == (stopped.run_id, "finished")
    assert {resumed.headline, *(mark.headline for mark in progress)} == {PIXELS}
    found = loaded(uri)
    assert found.runs.set_index("run_id").loc[resumed.run_id, "headline"] == PIXELS
    counts = found.curves["key"].value_counts()
    assert counts[PIXELS] > 1
    assert counts[FID_DISTILLED] == 1  # of the full evaluation at the end


@pytest.mark.slow
@pytest.mark.parametrize("tf32", [False, True])
def test_everything_that_runs_the_networks_follows_tf32(uri: str, tmp_path: Path, tf32: bool) -> None:
    """The setting applies to training, evaluations, pictures and latents, because torch's default for convolutions is TF32."""
    modes: dict[bool, set[tuple[str, bool]]] = {True: set(), False: set()}

    def look(module: torch.nn.Module, inputs: object) -> None:
        if type(module).__module__.startswith("variants."):  # extractors compute on the CPU
            modes[module.training].add((torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32))

    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    hook = torch.nn.modules.module.register_module_forward_pre_hook(look)
    try:
        config = small.config("dcgan", tf32=tf32, **{"recipe.ema_half_life_images": 100, "evaluation.best": True})
        result = run(config, small.context(uri, tmp_path))
        generator = load_generator(result.run_id, uri)
        generator.sample(10)
    finally:
        hook.remove()
    assert result.status == "finished"
    expected = {("high", True) if tf32 else ("highest", False)}
    assert modes == {True: expected, False: expected}
    assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == before


def test_a_crash_is_recorded_as_failed(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Networks, *_: object) -> None:
        raise RuntimeError("the generator\nexploded")

    monkeypatch.setattr("variants.gan.GanNetworks.generate", broken)
    result = run(small.config(), small.context(uri, tmp_path))
    assert (result.status, result.reason) == ("failed", "RuntimeError: the generator exploded")
    row = loaded(uri).runs.iloc[0]
    assert (row["status"], row["reason"]) == ("failed", "RuntimeError: the generator exploded")
    assert "Traceback" in loaded(uri).artifact(result.run_id, "failure.txt").read_text()


def rounds_of(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list whose only item is the number of later training rounds."""
    rounds, round_ = [0], Trainer.round

    def counting(self: Trainer, **named: bool) -> None:
        rounds[0] += 1
        round_(self, **named)

    monkeypatch.setattr(Trainer, "round", counting)
    return rounds


def broken(*_: object, **__: object) -> None:
    raise MemoryError("no memory")


TIMELESS = ["images", "key", "value"]


def untimed(uri: str, suite: str = "small") -> pd.DataFrame:
    curve = results.load(uri, (suite,)).curves
    return curve[~curve["key"].str.startswith("perf/")][TIMELESS].reset_index(drop=True)


@pytest.mark.slow
def test_a_run_whose_evaluation_failed_resumes_at_the_evaluation(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: tuple[str, RunResult]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("bench.runs.recorder.Recorder.finish", broken)
        failed = run(small.config(), small.context(uri, tmp_path))
    assert failed.status == "failed"
    rounds = rounds_of(monkeypatch)
    again = run(small.config(), small.context(uri, tmp_path))
    assert (again.status, again.run_id, rounds) == ("finished", failed.run_id, [0])
    assert {key: again.values[key] for key in measured() if key in again.values} == {
        key: whole[1].values[key] for key in measured() if key in whole[1].values
    }
    pd.testing.assert_frame_equal(untimed(uri), untimed(whole[0], "whole"))
    row = loaded(uri).runs.iloc[0]
    assert (row["status"], row["reason"]) == ("finished", "")


def test_a_run_that_failed_in_training_resumes_from_its_checkpoint(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: tuple[str, RunResult]
) -> None:
    context = replace(small.context(uri, tmp_path), checkpoint_seconds=0.0)
    monkeypatch.setattr("bench.runs.checkpointing.SHARE", 1e9)

    def fail(progress: RunProgress) -> None:
        if progress.images >= 400:
            broken()

    failed = run(small.config(), context, watch=fail)
    assert failed.status == "failed"
    rounds = rounds_of(monkeypatch)
    again = run(small.config(), context)
    assert (again.status, again.run_id) == ("finished", failed.run_id)
    assert 0 < rounds[0] < 10
    pd.testing.assert_frame_equal(untimed(uri), untimed(whole[0], "whole"))
    client = store.connect(uri)
    history = [point.step for point in client.get_metric_history(again.run_id, "train/loss_d")]
    assert len(history) == len(set(history)) == 10


def test_networks_that_cannot_be_built_are_one_failed_run(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a device is out of memory, its run fails and the other runs continue."""
    errors, init = [True], Trainer.__init__

    def out_of_memory(self: Trainer, **named: Any) -> None:
        if errors and errors.pop():
            raise torch.OutOfMemoryError("CUDA out of memory")
        init(self, **named)

    monkeypatch.setattr(Trainer, "__init__", out_of_memory)
    outcome = small.execute(uri, tmp_path, only="label-smoothed")
    assert [result.status for result in outcome.results] == ["failed", "finished"]
    assert "out of memory" in outcome.results[0].reason
    rows = loaded(uri).runs.query("kind == 'run'").set_index("seed")
    assert rows["status"].to_dict() == {0: "failed", 1: "finished"}
    assert small.execute(uri, tmp_path, only="label-smoothed").count("finished") == 1


def test_a_stopped_run_can_resume_after_networks_could_not_be_built(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason is recorded, and the next call resumes the run."""
    calls = iter(range(10**6))
    stopped = run(small.config(), small.context(uri, tmp_path), stop=lambda: next(calls) >= 4)
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "__init__", broken)
        failed = run(small.config(), small.context(uri, tmp_path))
    assert (failed.status, failed.run_id) == ("failed", stopped.run_id)
    assert loaded(uri).runs["reason"].tolist() == ["MemoryError: no memory"]
    again = run(small.config(), small.context(uri, tmp_path))
    assert (again.status, again.run_id) == ("finished", stopped.run_id)


@pytest.mark.slow
def test_a_run_that_the_store_cannot_reopen_loses_no_training(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: tuple[str, RunResult]
) -> None:
    """If the store has lost the run, a new run gets the whole curve from the checkpoint."""
    calls = iter(range(10**6))
    stopped = run(small.config(), small.context(uri, tmp_path), stop=lambda: next(calls) >= 4)
    assert stopped.status == "interrupted"
    lost = store.connect(uri)
    with sqlite3.connect(str(store.sqlite_path(uri))) as database:
        for table in ("metrics", "latest_metrics", "params", "tags", "runs"):
            database.execute(f"DELETE FROM {table} WHERE run_uuid = ?", (stopped.run_id,))
    rounds = rounds_of(monkeypatch)
    again = run(small.config(), small.context(uri, tmp_path))
    assert again.status == "finished"
    assert again.run_id != stopped.run_id
    assert 0 < rounds[0] < 10
    pd.testing.assert_frame_equal(untimed(uri), untimed(whole[0], "whole"))
    assert len(lost.get_metric_history(again.run_id, "train/loss_d")) == 10


def test_a_finished_run_that_was_deleted_is_trained_from_the_start(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(small.config(), small.context(uri, tmp_path))
    store.connect(uri).delete_run(first.run_id)
    rounds = rounds_of(monkeypatch)
    assert run(small.config(), small.context(uri, tmp_path)).status == "finished"
    assert rounds == [10]


def test_a_diverged_run_keeps_its_logged_points(uri: str, tmp_path: Path) -> None:
    result = run(
        small.config("wgan", **{"recipe.lr_d": 1e30, "recipe.lr_g": 1e30, "recipe.clip": 0, "budget.images": 6400}),
        small.context(uri, tmp_path),
    )
    assert result.status == "diverged"
    assert " at " in result.reason
    found = loaded(uri)
    assert found.runs.iloc[0]["status"] == "diverged"
    assert len(found.curves) > 0
    assert not set(found.runs.columns) & set(measured())
    health = found.read_json(result.run_id, results.EVIDENCE)["health"]
    json.dumps(health, allow_nan=False)


def test_a_users_mistake_writes_nothing(uri: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"recipe\.gp"):
        run(small.config("wgan-gp", **{"recipe.norm_d": "batch"}), small.context(uri, tmp_path / "runs"))
    assert not list((tmp_path / "runs").rglob("*"))
    with pytest.raises(UserError, match="no results of a suite 'small'"):
        loaded(uri)


@pytest.mark.slow
def test_a_budget_in_generator_updates_is_one_in_images(uri: str, tmp_path: Path) -> None:
    # With k = 5 and batches of 64, each update of G uses 320 images.
    by_updates = small.config("wgan", **{"budget.generator_updates": 2})
    updates = run(by_updates, small.context(uri, tmp_path))
    by_images = run(small.config("wgan", **{"budget.images": 640}), small.context(uri, tmp_path))
    timeless = [{key: value for key, value in result.values.items() if not key.startswith("perf/")} for result in (updates, by_images)]
    assert timeless[0] == timeless[1]
    curves = loaded(uri).curves.query("run_id == @updates.run_id and key == 'train/generator_updates'")
    assert (curves["images"].max(), curves["value"].max()) == (640, 2)


def test_a_budget_in_seconds_ends_on_the_clock_and_is_measured(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    progress: list[RunProgress] = []
    now = itertools.count()
    monkeypatch.setattr("time.perf_counter", lambda: next(now) / 1000)  # each reading of the clock takes a millisecond
    result = run(small.config(**{"budget.train_seconds": 0.3}), small.context(uri, tmp_path), watch=progress.append)
    assert result.status == "finished"
    assert result.values["perf/train_seconds"] >= 0.3
    assert progress[-1].share >= 1
    assert progress[-1].budget == "0.3 train seconds"
    curves = loaded(uri).curves
    assert len(curves[curves["key"] == FID_DISTILLED]) == 2
    assert curves["images"].max() == progress[-1].images


def test_the_best_checkpoint_is_saved_and_scored_on_other_noise(uri: str, tmp_path: Path) -> None:
    # A generator that learns too fast is worst at the end.
    config = small.config(
        "label-smoothed",
        **{"evaluation.best": True, "evaluation.marks": 4, "evaluation.standard_errors": True, "recipe.lr_g": 0.05, "budget.images": 1920},
    )
    result = run(config, small.context(uri, tmp_path))
    found = loaded(uri)
    curve = found.curves.query("key == @FID_DISTILLED")
    chosen = (found.read_json(result.run_id, results.EVIDENCE) or {})["best"]
    assert chosen["chosen_by"] == curve["value"].min()
    assert chosen["images"] == curve.loc[curve["value"].idxmin(), "images"] < 1920
    own = {key for key in result.values if key in measured()}
    assert {key for key in result.values if key.startswith(BEST)} >= {f"{BEST}{key}" for key in own} | {f"{BEST}{FID_DISTILLED}{SE}"}
    assert result.values[f"{BEST}{FID_DISTILLED}"] != chosen["chosen_by"]  # the same weights, other noise
    assert result.values[f"{BEST}{FID_DISTILLED}"] < result.values[FID_DISTILLED]
    best, last = (load_file(found.artifact(result.run_id, path)) for path in (results.BEST_WEIGHTS, results.WEIGHTS))
    assert best.keys() == last.keys()
    assert not all(torch.equal(best[name], last[name]) for name in best)


def extension(uri: str, folder: Path, base: RunResult, config: RunConfig) -> RunResult:
    """Train a run that extends another one."""
    fingerprint = loaded(uri).runs.set_index("run_id").loc[base.run_id, "fingerprint"]
    return run(config, replace(small.context(uri, folder), extends=base.run_id, extends_fingerprint=fingerprint))


def timeless(result: RunResult) -> dict[str, float]:
    """Return the values that do not depend on time."""
    return {key: value for key, value in result.values.items() if not key.startswith("perf/")}


@pytest.mark.parametrize(
    ("variant", "settings"),
    [
        ("mlp-dropout", {}),
        pytest.param("wgan-gp", {"recipe.ema_half_life_images": 500}, marks=pytest.mark.slow),
        pytest.param("dcgan", {"recipe.schedule": "step", "recipe.schedule_epochs": 1, "budget.images": 2000}, marks=pytest.mark.slow),
    ],
)
def test_an_extended_run_equals_one_trained_without_a_stop(uri: str, tmp_path: Path, variant: str, settings: dict[str, Any]) -> None:
    config = small.config(variant, **settings)
    base = run(config, small.context(uri, tmp_path))
    (saved,) = tmp_path.glob("*/state.safetensors")
    marks_seconds = serialization.load(saved)["evaluate_seconds"]
    longer = small.config(variant, **{**settings, "budget.images": config.budget.images + 1000})
    extended = extension(uri, tmp_path, base, longer)
    straight = run(longer, small.context(uri, tmp_path / "straight", "straight"))
    assert timeless(extended) == timeless(straight)
    assert extended.values["perf/evaluate_seconds"] > marks_seconds > 0  # the extended run adds to the recorded times
    rows = loaded(uri).runs.set_index("run_id")
    assert rows.loc[extended.run_id, "extends"] == base.run_id
    assert rows.loc[extended.run_id, "lineage"] == rows.loc[base.run_id, "lineage"]
    curves, end = loaded(uri).curves, config.budget.images
    mine, theirs = (curves[(curves["run_id"] == run_id) & (curves["key"] == "train/loss_d")] for run_id in (extended.run_id, base.run_id))
    assert mine["images"].min() == theirs["images"].min()  # the extended run has the whole curve
    assert mine["images"].is_unique
    assert set(curves[(curves["run_id"] == extended.run_id) & (curves["images"] <= end)]["key"]) & set(measured()) == {FID_DISTILLED}


@pytest.mark.slow
@pytest.mark.parametrize("samples", [0, 200])
def test_an_extension_keeps_points_and_best_of_its_own_protocol_only(uri: str, tmp_path: Path, samples: int) -> None:
    settings = {"evaluation.best": True, "evaluation.marks": 4, "recipe.lr_g": 0.05}
    base = run(small.config(**settings), small.context(uri, tmp_path))
    found = (loaded(uri).read_json(base.run_id, results.EVIDENCE) or {})["best"]
    longer = small.config(**settings, **{"budget.images": 1500, "evaluation.samples": samples})
    extended = extension(uri, tmp_path, base, longer)
    curve = loaded(uri).curves.query("run_id == @extended.run_id and key == @FID_DISTILLED")
    assert (curve["images"].min() <= 640) == (samples == 0)
    best = (loaded(uri).read_json(extended.run_id, results.EVIDENCE) or {})["best"]
    assert best["images"] <= 1536  # the first round at or past the budget
    assert (best["chosen_by"] <= found["chosen_by"]) or samples
    assert best["chosen_by"] == curve["value"].min()


@pytest.mark.slow
def test_an_extension_without_best_has_none_though_its_base_run_had(uri: str, tmp_path: Path) -> None:
    base = run(small.config(**{"evaluation.best": True}), small.context(uri, tmp_path))
    extended = extension(uri, tmp_path, base, small.config(**{"budget.images": 1000}))
    assert any(key.startswith(BEST) for key in base.values)
    assert not any(key.startswith(BEST) for key in extended.values)
    assert loaded(uri).artifact(extended.run_id, results.BEST_WEIGHTS) is None


def test_data_that_cannot_be_measured_gives_curves_and_grids_only(uri: str, tmp_path: Path) -> None:
    result = run(small.config(dataset="labelled:FEW"), small.context(uri, tmp_path))
    assert result.status == "finished"
    assert not set(result.values) & set(measured())
    found = loaded(uri)
    assert found.artifact(result.run_id, results.FINAL_GRID)
    assert found.artifact(result.run_id, results.WEIGHTS)
    assert "train/loss_d" in set(found.curves["key"])
    assert (found.runs.iloc[0]["protocol"], found.runs.iloc[0]["headline"]) == ("", "")
    assert found.artifact(result.run_id, results.NEAREST) is None
