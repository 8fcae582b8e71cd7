"""Evidence and the table of metrics. Metrics share parts of the evidence, and a missing value has a recorded reason."""

from __future__ import annotations

import gc
import json
import math
import weakref
from pathlib import Path
from typing import Any

import pytest
import small
import torch
from small import same_numbers, unknown

from bench.core.config import DATASETS
from bench.core.errors import UserError
from bench.evaluation.evaluator import Evaluator, reference_images
from bench.metrics import columns
from bench.metrics.columns import SE, Card, measured, register_card
from bench.metrics.definitions.diversity import DUPLICATES
from bench.metrics.definitions.quality import PRECISION
from bench.metrics.evidence import METRICS, Evidence, MetricFunction, metric, metric_keys
from bench.metrics.extractors import ClassifierExtractor, Features
from bench.metrics.extractors.pixels import PixelExtractor
from bench.metrics.half_sample_evidence import add_half_samples
from bench.tracking.results import PROTOCOL, load

BRIGHTNESS = Card(key="quality/brightness", title="brightness", direction="none", meaning="Mean grey level.", citation="Defined here")
UNKNOWN = {"diversity/path_length", "memorisation/ct_score"}  # 100 images without their generator have no path, and too few in every bin


def digits(n: int = 100, *, errors: bool = False) -> Evaluator:
    return Evaluator(DATASETS.get("digits"), samples=n, errors=errors)


def images(n: int = 100) -> torch.Tensor:
    return reference_images(DATASETS.get("digits"), n)


def brightness(evidence: Evidence) -> float:
    return float(evidence.images.float().mean())


def test_every_measured_card_has_a_function_and_the_order_of_the_cards() -> None:
    assert tuple(metric_keys()) == measured()
    assert set(METRICS) == set(measured())


def test_a_part_is_computed_once_and_values_and_errors_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluator = digits(errors=True)
    evaluator.prepare()
    calls: list[tuple[str, int]] = []
    for extractor in (ClassifierExtractor, PixelExtractor):

        def seeing(self: Any, given: torch.Tensor, really: Any = extractor.__call__, **how: Any) -> Features:
            calls.append((self.name, len(given)))
            features: Features = really(self, given, **how)
            return features

        monkeypatch.setattr(extractor, "__call__", seeing)
    evidence = evaluator._evidence(images())
    add_half_samples(evidence, 4)
    values = {key: evidence.value(key) for key in evaluator.keys}
    errors = {key: evidence.standard_error(key) for key in evaluator.keys}
    assert same_numbers(values, {key: evidence.value(key) for key in evaluator.keys})
    assert sorted(calls) == [("classifier", 100), ("pixels", 100)]
    assert values[PRECISION] > 0.5
    assert values[DUPLICATES] < 0.5
    assert unknown(values) == UNKNOWN
    assert {key for key in UNKNOWN if math.isfinite(errors[key])} == set()
    assert errors["diversity/pairwise_distance"] > 0
    half = weakref.ref(evidence.half_samples[0])
    evidence.half_samples = ()
    gc.collect()
    assert half() is None


@pytest.mark.slow
def test_what_a_half_cannot_tell_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    measurement = digits(errors=True).full(images())  # half-samples of 50 images are too few to extrapolate
    assert math.isfinite(measurement.values["quality/fid_infinity_classifier"])
    assert "quality/fid_infinity_classifier_se" not in measurement.values
    assert measurement.reasons.keys() == UNKNOWN
    assert "cannot be determined" not in caplog.text
    digits(95, errors=True).full(images(95))
    assert caplog.text.count("quality/fid_infinity_classifier cannot be determined: ") == 1


def test_a_metric_of_ones_own_in_three_lines(tables: None) -> None:
    before = digits().protocol()
    metric(BRIGHTNESS)(brightness)
    evaluator = digits(errors=True)
    measurement = evaluator.full(images())
    assert [key for key in measurement.values if not key.endswith(SE)][-1] == evaluator.keys[-1] == "quality/brightness"
    assert measurement.values["quality/brightness"] == pytest.approx(float(images().float().mean()))
    means = images().float().flatten(1).mean(dim=1)
    assert measurement.values[f"quality/brightness{SE}"] == pytest.approx(float(means.std()) / math.sqrt(100), rel=0.5)
    assert evaluator.protocol().keys() - before.keys() == {"quality/brightness"}
    assert {key: evaluator.protocol()[key] for key in before} == before
    assert "quality/brightness" not in evaluator.curve(images()).values


def test_a_metric_of_ones_own_is_tracked_and_read_back(tables: None, uri: str, tmp_path: Path) -> None:
    metric(BRIGHTNESS)(brightness)
    small.execute(uri, tmp_path / "runs", seeds=1, only="dcgan")
    found = load(uri, ("small",))
    run_id = found.runs.query("kind == 'run'")["run_id"].item()
    assert found.runs["quality/brightness"].between(0, 255).all()  # also for reference rows
    assert "quality/brightness" in (found.read_json(run_id, PROTOCOL) or {})["metrics"]
    del columns.CARDS["quality/brightness"]
    assert load(uri, ("small",)).runs["quality/brightness"].between(0, 255).all()  # runs store the card of the metric


def test_no_number_has_its_reason(tables: None) -> None:
    metric(BRIGHTNESS)(lambda evidence: evidence.unknown("it is\ntoo dark"))
    measurement = digits().full(images())
    assert math.isnan(measurement.values["quality/brightness"])
    assert measurement.reasons.keys() == {"quality/brightness"} | UNKNOWN
    assert measurement.reasons["quality/brightness"] == "it is too dark"
    METRICS["quality/brightness"] = lambda evidence: math.nan
    assert "gives no reason" in digits().full(images()).reasons["quality/brightness"]


def test_a_metric_that_fails_costs_only_itself(tables: None, caplog: pytest.LogCaptureFixture) -> None:
    expected = digits().full(images()).values
    metric(BRIGHTNESS)(lambda evidence: 1 / 0)
    measurement = digits(errors=True).full(images())
    assert same_numbers({key: measurement.values[key] for key in expected}, expected)
    assert measurement.reasons.keys() == {"quality/brightness"} | UNKNOWN
    assert measurement.reasons["quality/brightness"] == "ZeroDivisionError: division by zero"
    assert caplog.text.count("the metric quality/brightness failed") == 1


@pytest.mark.parametrize(("ending", "reason"), [(SystemExit(3), "SystemExit: 3"), (RecursionError(), "RecursionError:")])
def test_a_metric_that_leaves_the_program_costs_only_itself(
    ending: BaseException, reason: str, tables: None, caplog: pytest.LogCaptureFixture
) -> None:
    def leave(evidence: Evidence) -> float:
        raise ending

    metric(BRIGHTNESS)(leave)
    evaluator = digits()
    assert evaluator.full(images()).reasons["quality/brightness"] == reason
    assert evaluator.full(images()).raised == ("quality/brightness",)
    assert caplog.text.count("the metric quality/brightness failed") == 1  # one message for each evaluator


def test_too_few_images_have_no_number_where_it_would_mean_nothing() -> None:
    few = digits(32).full(images(32))
    whole = {"quality/fid_classifier", "quality/fid_distilled", "quality/frechet_pixels"}
    wanting = {"quality/fid_infinity_classifier", "quality/classifier_score"}
    assert unknown(few.values) == few.reasons.keys() == whole | wanting | UNKNOWN
    assert "a Fréchet distance in 32 features needs more images than features, not 32 images" in few.reasons["quality/fid_classifier"]
    enough = digits(33).full(images(33))
    assert math.isfinite(enough.values["quality/fid_classifier"])


def test_a_class_that_no_test_image_is_of_has_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    evidence = digits()._evidence(images())
    shares = evidence.real.shares.copy()
    shares[3] = 0.0
    monkeypatch.setitem(evidence.real.__dict__, "shares", shares)
    assert math.isnan(evidence.value("modes/class_kl"))
    assert evidence.reasons["modes/class_kl"].startswith("class or mode 3 occurs in generated images, but in no test image")


def test_what_raised_is_told_from_what_is_not_known(tables: None) -> None:
    metric(BRIGHTNESS)(lambda evidence: 1 / 0)
    noise = torch.randint(0, 256, (100, 1, 8, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    measurement = digits().full(noise)
    assert set(measurement.reasons) == {"quality/brightness", "modes/collapse", "diversity/path_length"}  # all noise images lie in one bin
    assert measurement.raised == ("quality/brightness",)
    assert digits().curve(noise).raised == ()


def _too_much(evidence: Evidence) -> float:
    return float(torch.empty(2**58).sum())


def _out_of_memory(evidence: Evidence) -> float:
    raise MemoryError


def _stopped(evidence: Evidence) -> float:
    raise KeyboardInterrupt


@pytest.mark.parametrize(("function", "error"), [(_too_much, MemoryError), (_out_of_memory, MemoryError), (_stopped, KeyboardInterrupt)])
def test_no_memory_and_ctrl_c_are_no_failures_of_a_metric(
    tables: None, function: MetricFunction, error: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    metric(BRIGHTNESS)(function)
    with pytest.raises(error):
        digits().full(images())
    assert "failed" not in caplog.text


def test_a_reason_belongs_to_the_metric_that_gave_it(tables: None) -> None:
    metric(BRIGHTNESS)(lambda evidence: evidence.value("modes/collapse") + 1)
    measurement = digits().full(torch.randint(0, 256, (100, 1, 8, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint8))
    assert "not judged" in measurement.reasons["modes/collapse"]
    assert "gives no reason" in measurement.reasons["quality/brightness"]


def test_metrics_that_wait_for_each_other_end(tables: None) -> None:
    other = Card(key="quality/darkness", title="darkness", direction="none", meaning="The other.")
    metric(BRIGHTNESS)(lambda evidence: evidence.value("quality/darkness"))
    metric(other)(lambda evidence: evidence.value("quality/brightness"))
    reasons = digits().full(images()).reasons
    assert "depend on each other" in json.dumps(reasons)


def test_what_cannot_be_registered(tables: None) -> None:
    metric(BRIGHTNESS)(brightness)
    metric(BRIGHTNESS)(brightness)  # a second import of the module is allowed
    with pytest.raises(UserError, match="two functions for the metric 'quality/brightness'"):
        metric(BRIGHTNESS)(lambda evidence: 0.0)
    with pytest.raises(UserError, match="two metrics named 'quality/brightness'"):
        register_card(Card(key="quality/brightness", title="other", direction="none", meaning="Another."))
    for key in ("brightness", "Quality/x", "quality/x y", "quality/x/y", "quality/x\n"):
        with pytest.raises(UserError, match=r"invalid key .*group/name"):
            register_card(Card(key=key, title="x", direction="none", meaning="X."))
    with pytest.raises(UserError, match="no evaluation gives metrics of the group"):
        metric(Card(key="train/x", title="x", direction="none", meaning="X."))(brightness)
    assert "train/x" not in METRICS
