"""Rescoring of a recorded run. Another evaluation protocol replaces only its own metrics, and the same one changes nothing."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import small
import torch
from PIL import Image

from bench.core.config import Evaluation, RunConfig, config_for, load_config
from bench.evaluation.evaluator import Evaluator, Measurement
from bench.metrics.columns import BEST, FID_DISTILLED, PIXELS, SE, measured
from bench.runs.rescoring import _with_evaluation, score
from bench.runs.runner import run
from bench.tracking import delivery, results
from bench.tracking.client import Tracker
from bench.tracking.results import Results, load
from bench.tracking.run_logger import RunLog

COLLAPSE = "modes/collapse"
MEASURED = [key for metric in measured() for key in (metric, f"{metric}{SE}")]


pytestmark = pytest.mark.usefixtures("standard_errors")


@pytest.fixture
def run_id(uri: str, executed: Callable[..., None]) -> str:
    """Return the id of a finished run with an evaluation point in the middle of training."""
    executed()
    return str(load(uri, ("small",)).runs.query("kind == 'run'")["run_id"].item())


def again(run_id: str, uri: str, **evaluation: Any) -> Results:
    result = score(run_id, uri, Evaluation(marks=1, **evaluation))
    assert (result.status, result.reason) == ("finished", "")
    return load(uri, ("small",))


def values_of(found: Results, run_id: str) -> dict[str, float]:
    """Return the metrics that have a number, with their standard errors."""
    row = found.runs.set_index("run_id").loc[run_id]
    return {key: float(row[key]) for key in MEASURED if key in row and not math.isnan(row[key])}


def config_in(found: Results, run_id: str) -> RunConfig:
    return load_config((found.artifact(run_id, results.CONFIG) or Path()).read_text())


def best_in(found: Results, run_id: str) -> dict[str, Any]:
    return dict((found.read_json(run_id, results.EVIDENCE) or {})["best"])


def histories(found: Results, run_id: str) -> list[str]:
    return found.names(run_id, "history")


def unmeasured(found: Results, run_id: str) -> pd.DataFrame:
    """Return the curve without the metrics of evaluations."""
    rows = found.curves[(found.curves["run_id"] == run_id) & ~found.curves["key"].isin(MEASURED)]
    return rows.astype({"run_id": object, "key": object}).reset_index(drop=True)


def headline_curve(found: Results, run_id: str) -> pd.DataFrame:
    curve = found.curves.query(f"run_id == '{run_id}' and key == '{FID_DISTILLED}'")
    return curve[["images", "value"]].reset_index(drop=True)


def test_every_setting_of_the_measurement_replaces_that_of_the_run() -> None:
    config = config_for("dcgan", {"evaluation.marks": 5, "evaluation.metrics": [FID_DISTILLED]})
    wanted = Evaluation(
        marks=1, best=True, samples=7, batch_size=3, standard_errors=False, inception=True, inception_resize="clean",
        inception_statistics="/s.npz", photo=True, cas=True, headline=PIXELS,
    )  # fmt: skip
    found = _with_evaluation(config, wanted).evaluation
    assert found == wanted.model_copy(update={"marks": 5, "best": False, "metrics": (FID_DISTILLED,)})


def test_the_same_protocol_changes_nothing(run_id: str, uri: str) -> None:
    before = load(uri, ("small",))
    artifacts = (results.PROTOCOL, results.EVIDENCE, results.CONFIG)
    old = [before.read_json(run_id, artifact) for artifact in artifacts]
    after = again(run_id, uri)
    assert values_of(after, run_id) == values_of(before, run_id)
    assert headline_curve(after, run_id).equals(headline_curve(before, run_id))
    assert len(headline_curve(after, run_id)) == 2
    assert [after.read_json(run_id, artifact) for artifact in artifacts] == old


def test_another_protocol_replaces_only_its_own_metrics(run_id: str, uri: str) -> None:
    client = Tracker(uri, "small").client
    client.log_metric(run_id, f"best/{FID_DISTILLED}", 12.5, step=640)
    log = load(uri, ("small",))
    path = log.artifact(run_id, results.CURVES)
    evidence_path = log.artifact(run_id, results.EVIDENCE)
    assert path is not None
    assert evidence_path is not None
    curve = pd.read_parquet(path)
    curve.loc[len(curve)] = [640, 1.0, f"best/{FID_DISTILLED}", 12.5]
    curve.to_parquet(path, index=False)
    before = load(uri, ("small",))
    old, old_config = before.read_json(run_id, results.EVIDENCE) or {}, config_in(before, run_id)
    after = again(run_id, uri, samples=100)
    assert values_of(after, run_id)[FID_DISTILLED] != values_of(before, run_id)[FID_DISTILLED]
    assert len(headline_curve(before, run_id)) == 2
    assert (
        headline_curve(after, run_id)["images"].tolist() == headline_curve(before, run_id)["images"].tolist()[-1:]
    )  # the point in the middle has the old evaluation protocol
    assert after.runs.set_index("run_id").loc[run_id, f"best/{FID_DISTILLED}"] == 12.5
    rest = [unmeasured(before, run_id), unmeasured(after, run_id)]
    pd.testing.assert_frame_equal(*rest)
    assert (rest[1]["key"] == f"best/{FID_DISTILLED}").sum() == 1
    evidence = after.read_json(run_id, results.EVIDENCE) or {}
    assert (evidence["n"], evidence["health"]) == (100, old["health"])
    assert config_in(after, run_id).evaluation == old_config.evaluation.model_copy(update={"samples": 100})
    assert after.runs.set_index("run_id").loc[run_id, "protocol"] == (after.read_json(run_id, results.PROTOCOL) or {})["all"]


@pytest.mark.slow
def test_points_at_evaluation_points_return_with_their_protocol(run_id: str, uri: str) -> None:
    before = load(uri, ("small",))
    protocol = before.read_json(run_id, results.PROTOCOL)
    (middle, end) = headline_curve(before, run_id)["value"]
    other = again(run_id, uri, samples=100)
    assert headline_curve(other, run_id)["value"].tolist() != [end]
    assert len(headline_curve(other, run_id)) == 1
    (path,) = histories(other, run_id)
    stored = pd.read_parquet(other.artifact(run_id, path) or Path())
    assert stored[["key", "value"]].to_numpy().tolist() == [[FID_DISTILLED, middle]]
    third = again(run_id, uri, samples=90)
    assert histories(third, run_id) == [path]  # the second evaluation protocol had no such points
    back = again(run_id, uri)
    assert headline_curve(back, run_id).equals(headline_curve(before, run_id))
    assert back.curves.query(f"run_id == '{run_id}'")["images"].is_monotonic_increasing
    assert back.read_json(run_id, results.PROTOCOL) == protocol
    assert len(headline_curve(again(run_id, uri, samples=100), run_id)) == 1
    assert headline_curve(again(run_id, uri), run_id).equals(headline_curve(before, run_id))


@pytest.mark.slow
def test_a_killed_rescoring_mixes_no_protocols(run_id: str, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = headline_curve(load(uri, ("small",)), run_id)
    send = delivery.send
    for write in (1, 2, 6, 9):  # at the first writes, at the curve, and between the curve and protocol.json
        for samples, points in ((100, 1), (0, 2)):
            countdown = iter(range(write, 0, -1))

            def dies(*what: Any, countdown: Iterator[int] = countdown) -> None:
                if next(countdown) == 1:
                    raise KeyboardInterrupt
                send(*what)

            with monkeypatch.context() as patch:
                patch.setattr(delivery, "send", dies)
                with pytest.raises(KeyboardInterrupt):
                    score(run_id, uri, Evaluation(samples=samples, standard_errors=False))
            assert len(headline_curve(again(run_id, uri, samples=samples, standard_errors=False), run_id)) == points
        assert headline_curve(load(uri, ("small",)), run_id).equals(before)


@pytest.mark.slow
def test_a_damaged_history_is_logged_and_only_its_points_are_lost(run_id: str, uri: str, caplog: pytest.LogCaptureFixture) -> None:
    other = again(run_id, uri, samples=100, standard_errors=False)
    (name,) = histories(other, run_id)
    path = other.artifact(run_id, name) or Path()
    whole = path.read_bytes()
    path.write_bytes(b"no parquet")
    assert len(headline_curve(again(run_id, uri, standard_errors=False), run_id)) == 1
    assert "is damaged, so the curve lacks those points" in caplog.text
    path.write_bytes(whole)
    assert len(headline_curve(again(run_id, uri, standard_errors=False), run_id)) == 2


def test_out_of_memory_is_no_advice_to_train_again(run_id: str, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Evaluator, "full", full)
    result = score(run_id, uri, Evaluation(samples=100))
    assert (result.status, result.reason) == ("failed", "it cannot be measured again (MemoryError)")


def path_of(run_id: str, uri: str, artifact: str) -> Path:
    found = load(uri, ("small",)).artifact(run_id, artifact)
    assert found is not None
    return found


def test_only_a_damaged_run_is_advised_to_be_deleted(run_id: str, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def reason() -> str:
        result = score(run_id, uri, Evaluation(samples=100))
        assert (result.status, len(result.reason.splitlines())) == ("failed", 1)
        return result.reason

    damaged = {results.WEIGHTS: b"half", results.CONFIG: b"{", results.CURVES: b"no parquet"}
    unknown = {results.CONFIG: b'{"variant": "of another version"}'}
    for artifact, content, advised in [
        *((*item, True) for item in damaged.items()),
        *((*item, False) for item in unknown.items()),
        *((artifact, None, False) for artifact in damaged),
    ]:
        path = path_of(run_id, uri, artifact)
        whole = path.read_bytes()
        path.unlink() if content is None else path.write_bytes(content)
        assert ("delete" in reason()) is advised, (artifact, content)
        path.write_bytes(whole)
    with monkeypatch.context() as patch:
        patch.setattr("bench.tracking.artifacts._is_local", lambda uri: False)

        def broken(*_: object, **__: object) -> str:
            raise ConnectionError("502 Bad Gateway")

        patch.setattr("mlflow.MlflowClient.download_artifacts", broken)
        assert "502 Bad Gateway" in reason()
        assert "delete" not in reason()


@pytest.mark.slow
@pytest.mark.parametrize("device", ["cuda", "cuda:7", "mps"])
def test_a_run_is_measured_on_the_cpu_if_its_device_is_missing(
    run_id: str, uri: str, device: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("bench.core.environment.devices", lambda: ["cpu"])
    path = path_of(run_id, uri, results.CONFIG)
    path.write_text(path.read_text().replace('"device": "cpu"', f'"device": "{device}"'))
    shutil.copy(path_of(run_id, uri, results.WEIGHTS), path.parent / results.BEST_WEIGHTS)
    assert values_of(again(run_id, uri, standard_errors=False), run_id)
    assert config_in(load(uri, ("small",)), run_id).device == device
    assert caplog.text.count(f"has the device {device}, which this machine does not have") == 1


@pytest.mark.slow
def test_a_value_that_can_no_longer_be_determined_becomes_nan(run_id: str, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Tracker(uri, "small").client
    client.log_metric(run_id, COLLAPSE, 1.0, step=1000)
    assert values_of(load(uri, ("small",)), run_id)[COLLAPSE] == 1.0
    monkeypatch.setattr("bench.metrics.modes.JUDGED_SHARE", 2.0)
    after = again(run_id, uri)
    assert COLLAPSE not in values_of(after, run_id)
    assert "not judged" in (after.read_json(run_id, results.EVIDENCE) or {})["reasons"][COLLAPSE]


@pytest.mark.slow
def test_a_standard_error_that_is_no_longer_known_becomes_nan(run_id: str, uri: str) -> None:
    before = values_of(load(uri, ("small",)), run_id)
    plain = {key: value for key, value in before.items() if not key.endswith(SE)}
    assert before.keys() - plain.keys() >= {f"{FID_DISTILLED}{SE}", f"diversity/path_length{SE}"}
    assert values_of(again(run_id, uri, standard_errors=False), run_id) == plain
    assert values_of(again(run_id, uri), run_id) == before


def test_a_run_of_an_earlier_version_is_measured_again(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(RunLog, "end_at", lambda *_: None)  # earlier versions logged the end at the exact number of images
        ended = run(small.config(**{"recipe.batch_size": 150}), small.context(uri, tmp_path / "runs"))
    client = Tracker(uri, "small").client
    client.log_metric(ended.run_id, f"{FID_DISTILLED}{SE}", 0.25, step=750)  # and standard errors as metrics
    row = again(ended.run_id, uri, samples=300).runs.set_index("run_id").loc[ended.run_id]
    latest = client.get_run(ended.run_id).data.metrics
    assert latest[FID_DISTILLED] == row[FID_DISTILLED] != ended.values[FID_DISTILLED]
    assert math.isnan(latest[f"{FID_DISTILLED}{SE}"])
    assert 0 < row[f"{FID_DISTILLED}{SE}"] != 0.25
    assert {point.step for point in client.get_metric_history(ended.run_id, PIXELS)} == {750}


@pytest.mark.slow
def test_the_picture_of_the_nearest_training_images_is_replaced(run_id: str, uri: str) -> None:
    def picture(found: Results) -> bytes:
        path = found.artifact(run_id, results.NEAREST)
        assert path is not None
        assert Image.open(path).size == (8 * 9 + 1, 8 * 9 + 1)  # 32 pairs of 8 pixels
        return path.read_bytes()

    before = picture(load(uri, ("small",)))
    assert picture(again(run_id, uri)) == before
    assert picture(again(run_id, uri, samples=100)) != before


def test_a_run_on_points_is_measured_again(uri: str, tmp_path: Path) -> None:
    config = small.config("ns-gan", dataset="ring8", networks="mlp-2d", **{"evaluation.samples": 200})
    ended = run(config, small.context(uri, tmp_path / "runs"))
    before = load(uri, ("small",))
    protocol = before.read_json(ended.run_id, results.PROTOCOL)
    same = again(ended.run_id, uri, samples=200)
    assert values_of(same, ended.run_id) == values_of(before, ended.run_id)
    assert same.read_json(ended.run_id, results.PROTOCOL) == protocol
    other = again(ended.run_id, uri, samples=100)
    assert set(values_of(other, ended.run_id)) == set(values_of(before, ended.run_id))
    assert len((other.read_json(ended.run_id, results.EVIDENCE) or {})["points"]) == 100
    assert len(histories(other, ended.run_id)) == 1  # the point in the middle, with its own headline


@pytest.mark.parametrize(
    "artifact",
    [results.WEIGHTS, pytest.param(results.CONFIG, marks=pytest.mark.slow), pytest.param(results.CURVES, marks=pytest.mark.slow)],
)
def test_a_missing_artifact_leaves_the_run_unchanged(run_id: str, uri: str, artifact: str) -> None:
    before = load(uri, ("small",))
    protocol = before.read_json(run_id, results.PROTOCOL)
    path = before.artifact(run_id, artifact)
    assert path is not None
    path.unlink()
    before = load(uri, ("small",))  # without the curve, no standard errors are known
    result = score(run_id, uri, Evaluation(samples=100))
    assert result.status == "failed"
    assert f"has no {artifact}" in result.reason
    after = load(uri, ("small",))
    assert values_of(after, run_id) == values_of(before, run_id)
    assert after.read_json(run_id, results.PROTOCOL) == protocol


@pytest.mark.slow
def test_rescoring_uses_the_samples_of_training(run_id: str, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    samples: list[tuple[torch.Tensor, torch.Tensor]] = []
    full = Evaluator.full

    def recording(self: Evaluator, data: torch.Tensor, **more: torch.Tensor) -> Measurement:
        samples.append((data, more["walks"]))
        return full(self, data, **more)

    monkeypatch.setattr(Evaluator, "full", recording)
    again(run_id, uri, batch_size=13)
    again(run_id, uri, batch_size=500)
    assert all(torch.equal(one, two) for one, two in zip(*samples, strict=True))


@pytest.mark.slow
def test_the_best_checkpoint_is_measured_again_with_the_last(uri: str, tmp_path: Path) -> None:
    settings = {"evaluation.best": True, "evaluation.marks": 3, "recipe.lr_g": 0.05}
    small.execute(uri, tmp_path / "runs", seeds=1, only="dcgan", settings=settings)
    before = load(uri, ("small",))
    run_id = str(before.runs.query("kind == 'run'")["run_id"].item())
    best = f"{BEST}{FID_DISTILLED}"
    was, chosen = config_in(before, run_id).evaluation, best_in(before, run_id)
    same = again(run_id, uri)
    assert config_in(same, run_id).evaluation == was == Evaluation(best=True, marks=3)
    assert best_in(same, run_id) == chosen
    other = again(run_id, uri, samples=100)
    assert config_in(other, run_id).evaluation == Evaluation(best=True, marks=3, samples=100)
    assert {**best_in(other, run_id), "reasons": {}} == {**chosen, "reasons": {}}
    assert histories(other, run_id)
    values = [found.runs.set_index("run_id").loc[run_id, best] for found in (before, same, other)]
    assert values[0] == values[1] != values[2]
    assert len(other.curves.query("key == @best")) == 1


@pytest.mark.slow
def test_a_run_with_another_headline_keeps_its_curve_and_says_what_chose_its_best_checkpoint(uri: str, tmp_path: Path) -> None:
    settings = {"evaluation.best": True, "evaluation.headline": PIXELS}
    small.execute(uri, tmp_path / "runs", seeds=1, only="dcgan", settings=settings)
    before = load(uri, ("small",))
    run_id = str(before.runs.query("kind == 'run'")["run_id"].item())
    for _ in range(2):
        after = again(run_id, uri, best=True)
        row = after.runs.set_index("run_id").loc[run_id]
        assert (row["headline"], row["best_metric"]) == (FID_DISTILLED, PIXELS)
        assert best_in(after, run_id) == best_in(before, run_id)
        points = [found.curves.query("key == @PIXELS")[["images", "value"]].to_numpy().tolist() for found in (before, after)]
        assert points[0] == points[1]
        assert len(points[0]) > 1


@pytest.mark.slow
def test_reasons_of_the_best_checkpoint_are_those_of_this_measurement(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = run(small.config("dcgan", **{"evaluation.best": True}), small.context(uri, tmp_path / "runs")).run_id
    monkeypatch.setattr("bench.metrics.modes.reverse_kl", lambda generated, real: 1 / 0)
    chosen = best_in(again(run_id, uri), run_id)
    assert "ZeroDivisionError" in chosen["reasons"]["modes/class_kl"]
    assert "images" in chosen
