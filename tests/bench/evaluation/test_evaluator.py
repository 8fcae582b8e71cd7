"""The evaluator. Planted failures move the metrics as their cards say, and wrong input raises an error."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import cast

import pytest
import torch
from scipy.stats import chi2
from threadpoolctl import threadpool_limits
from torch import Tensor

from bench.core.config import DATASETS, Evaluation
from bench.core.errors import UserError
from bench.core.spec import Dataset, DataShape
from bench.data.catalog import available
from bench.evaluation.evaluator import Evaluator, Measurement, capabilities, check_samples, evaluator_for, reference_images
from bench.metrics import columns, real_statistics
from bench.metrics.columns import FID_CLASSIFIER, FID_DISTILLED, HEADLINES, MIXTURE_JS, PIXELS, REVERSE_KL, SE, SPECTRUM
from bench.metrics.extractors import ClassifierExtractor, kinds_of
from bench.metrics.extractors.distilled import DistilledExtractor

DIGITS = Evaluator(DATASETS.get("digits")).keys
NO_GENERATOR = {"diversity/path_length"}  # NaN for images without their generator


@cache
def evaluator(samples: int = 0) -> Evaluator:
    return Evaluator(DATASETS.get("digits"), samples=samples, errors=False)


@cache
def real_row() -> Measurement:
    return evaluator().full(reference_images(DATASETS.get("digits")))


def keep_classes(m: int) -> Tensor:
    """Return training images of the first m classes, as many as the test split has."""
    train = DATASETS.get("digits").split("train")
    assert train.labels is not None
    images = train.data[train.labels < m]
    return images.repeat(8, 1, 1, 1)[:500]


def test_full_gives_every_card_and_curve_the_headline() -> None:
    measurement = real_row()
    assert list(measurement.values) == DIGITS
    assert {key for key, value in measurement.values.items() if not math.isfinite(value)} == NO_GENERATOR == set(measurement.reasons)
    curve = evaluator().curve(reference_images(DATASETS.get("digits")))
    assert curve.values == {FID_DISTILLED: measurement.values[FID_DISTILLED]}


def test_evidence_holds_both_shares() -> None:
    evidence = real_row().evidence
    assert evidence["n"] == 500
    assert len(evidence["class_names"]) == 10
    for side in ("generated", "real"):
        assert len(evidence["class_share"][side]) == 10
        assert sum(evidence["class_share"][side]) == pytest.approx(1.0)


def test_real_images_are_good_and_the_test_split_itself_is_perfect() -> None:
    values = real_row().values
    assert values["quality/precision_classifier"] > 0.75
    assert values["quality/recall_classifier"] > 0.75
    assert values["diversity/pairwise_distance"] == pytest.approx(1.0, abs=0.05)
    assert (values["modes/classes_covered"], values["modes/collapse"]) == (10.0, 0.0)
    perfect = evaluator().full(DATASETS.get("digits").split("test").data).values
    assert perfect["quality/fid_classifier"] == pytest.approx(0.0, abs=1e-6)
    assert (perfect["quality/precision_classifier"], perfect["quality/recall_classifier"]) == (1.0, 1.0)
    assert (perfect["diversity/pairwise_distance"], perfect["modes/class_kl"]) == (1.0, 0.0)


def same(one: Measurement, two: Measurement) -> bool:
    return list(one.values) == list(two.values) and all(
        value == two.values[key] or (math.isnan(value) and math.isnan(two.values[key])) for key, value in one.values.items()
    )


def test_every_metric_is_a_function_of_the_set_of_images() -> None:
    images = reference_images(DATASETS.get("digits"))
    shuffled = images[torch.randperm(500, generator=torch.Generator().manual_seed(0))]
    assert same(evaluator().full(images), real_row())
    assert same(evaluator().full(shuffled), real_row())


@pytest.mark.slow
def test_the_number_of_threads_changes_no_more_than_rounding() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(1 + before)
    try:
        values = Evaluator(DATASETS.get("digits"), errors=False).full(reference_images(DATASETS.get("digits"))).values
    finally:
        torch.set_num_threads(before)
    for key in set(values) - NO_GENERATOR:
        assert values[key] == pytest.approx(real_row().values[key], rel=1e-4, abs=1e-6), key


def test_prepare_caches_all_statistics_of_real_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = reference_images(DATASETS.get("digits"), 30)
    expected = evaluator(30).full(images)
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path))
    Evaluator(DATASETS.get("digits"), samples=50).prepare()  # independent of the number of generated examples
    files = sorted(path.name for path in (tmp_path / "references").glob("*.safetensors"))
    with monkeypatch.context() as patch:
        for name in ("_see", "find_neighbours", "fit_bins", "nearest_other"):
            patch.setattr(real_statistics, name, None)  # a measurement of real images would fail
        assert same(Evaluator(DATASETS.get("digits"), samples=30, errors=False).full(images), expected)
    assert sorted(path.name for path in (tmp_path / "references").glob("*.safetensors")) == files
    Evaluator(DATASETS.get("ring8")).prepare()  # point datasets need no preparation


def test_standard_errors_stand_beside_values_and_change_none() -> None:
    images = reference_images(DATASETS.get("digits"), 100)
    with_errors = Evaluator(DATASETS.get("digits"), samples=100).full(images)
    assert [key for key in with_errors.values if not key.endswith(SE)] == DIGITS
    plain = {key: value for key, value in with_errors.values.items() if not key.endswith(SE)}
    assert same(Measurement(values=plain), evaluator(100).full(images))
    distance = with_errors.values[f"diversity/pairwise_distance{SE}"]
    precision, share = with_errors.values[f"quality/precision_classifier{SE}"], plain["quality/precision_classifier"]
    assert 0 < distance < 0.1
    assert precision == pytest.approx(math.sqrt(share * (1 - share) / 100), rel=0.6)  # the standard error of a share
    assert with_errors.values[f"modes/collapse{SE}"] == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("m", [9, 5, 1])
def test_lost_classes_are_counted(m: int) -> None:
    values = evaluator().full(keep_classes(m)).values
    assert values["modes/classes_covered"] == m
    assert values["modes/class_kl"] == pytest.approx(math.log(10 / m), abs=0.15)
    assert values["modes/collapse"] == (1.0 if m <= 5 else 0.0)
    assert values["quality/precision_classifier"] > 0.75
    assert values["quality/recall_classifier"] < real_row().values["quality/recall_classifier"]
    assert values["quality/fid_classifier"] > 3 * real_row().values["quality/fid_classifier"]


def test_repeated_images_are_duplicates_and_collapse() -> None:
    real = reference_images(DATASETS.get("digits"))
    for repeated, verdict in ((60, 0.0), (150, 1.0)):
        values = evaluator().full(torch.cat([real[: 500 - repeated], real[:repeated]])).values
        assert values["diversity/duplicate_rate"] == pytest.approx(2 * repeated / 500, abs=0.02)
        assert values["modes/collapse"] == verdict
        assert values["modes/classes_covered"] == 10.0
    assert real_row().values["diversity/duplicate_rate"] < 0.02


@pytest.mark.slow
def test_noise_on_images_costs_quality_in_order() -> None:
    real = reference_images(DATASETS.get("digits")).float()
    noise = torch.randn(real.shape, generator=torch.Generator().manual_seed(0))
    rows = [evaluator().full((real + sd * noise).clamp(0, 255).round().to(torch.uint8)).values for sd in (0.0, 24.0, 64.0, 128.0)]
    distances = [row["quality/fid_classifier"] for row in rows]
    precisions = [row["quality/precision_classifier"] for row in rows]
    scores = [row["quality/classifier_score"] for row in rows]
    assert distances == sorted(distances)
    assert precisions == sorted(precisions, reverse=True)
    assert scores == sorted(scores, reverse=True)
    assert [row["quality/kid_classifier"] for row in rows[1:]] == sorted(row["quality/kid_classifier"] for row in rows[1:])


def test_noise_is_no_collapse_but_unjudged() -> None:
    noise = torch.randint(0, 256, (500, 1, 8, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    measurement = evaluator().full(noise)
    assert measurement.values["quality/precision_classifier"] < 0.05
    assert math.isnan(measurement.values["modes/collapse"])
    assert set(measurement.reasons) == {"modes/collapse"} | NO_GENERATOR
    assert measurement.values["quality/fid_classifier"] > 20 * real_row().values["quality/fid_classifier"]


@pytest.mark.slow
@pytest.mark.parametrize("grey", [0, 128, 255])
def test_constant_images_are_measured_and_never_good(grey: int) -> None:
    values = evaluator().full(torch.full((500, 1, 8, 8), grey, dtype=torch.uint8)).values
    assert values["diversity/pairwise_distance"] == 0.0
    assert values["diversity/duplicate_rate"] == 1.0
    assert values["quality/recall_classifier"] == 0.0
    assert values["quality/classifier_score"] == pytest.approx(1.0)
    assert values["modes/classes_covered"] == 1.0
    assert values["modes/collapse"] != 0.0  # 1, or NaN without a verdict


def test_one_good_image_again_and_again_is_collapse() -> None:
    image = DATASETS.get("digits").split("test").data[:1]
    values = evaluator().full(image.repeat(500, 1, 1, 1)).values
    assert values["quality/precision_classifier"] == 1.0
    assert values["quality/recall_classifier"] == 1 / 500  # only the image itself
    assert values["modes/collapse"] == 1.0


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(500, 1, 8, 8), "images must be uint8 in 0..255, not float32"),
        (torch.zeros(500, 8, 8, dtype=torch.uint8), r"the shape \[N, 1, 8, 8\], not \[500, 8, 8\]"),
        (torch.zeros(500, 3, 8, 8, dtype=torch.uint8), r"not \[500, 3, 8, 8\]"),
        (torch.zeros(0, 1, 8, 8, dtype=torch.uint8), r"not \[0, 1, 8, 8\]"),
        (torch.zeros(499, 1, 8, 8, dtype=torch.uint8), "takes 500 examples, not 499"),
    ],
)
def test_wrong_images_are_one_clear_line(images: Tensor, message: str) -> None:
    for measure in (evaluator().full, evaluator().curve):
        with pytest.raises(UserError, match=message) as error:
            measure(images)
        assert "\n" not in str(error.value)


def test_fewer_samples_are_another_protocol() -> None:
    few = Evaluator(DATASETS.get("digits"), samples=10, errors=False)
    assert list(few.full(reference_images(DATASETS.get("digits"), 10)).values) == DIGITS
    assert list(few.protocol()) == list(evaluator().protocol()) == DIGITS
    assert all(few.protocol()[key] != evaluator().protocol()[key] for key in DIGITS)
    with pytest.raises(UserError, match=r"evaluation\.samples=9 is too few"):
        Evaluator(DATASETS.get("digits"), samples=9)


def test_some_metrics_alone_have_the_values_they_have_among_all() -> None:
    images = reference_images(DATASETS.get("digits"), 100)
    key = "quality/coverage_classifier"
    some = Evaluator(DATASETS.get("digits"), samples=100, errors=False, metrics=(key,))
    found, whole = some.full(images), evaluator(100).full(images)
    assert found.values == {name: whole.values[name] for name in DIGITS if name in (FID_DISTILLED, key)}
    assert found.nearest is None
    assert some.protocol() == {name: evaluator(100).protocol()[name] for name in found.values}
    with pytest.raises(UserError, match=r"evaluation\.metrics: digits has no metric 'modes/found'"):
        Evaluator(DATASETS.get("digits"), metrics=("modes/found",))


def test_another_headline_is_measured_at_evaluation_points() -> None:
    digits, images = DATASETS.get("digits"), reference_images(DATASETS.get("digits"))
    other = Evaluator(digits, errors=False, headline=PIXELS, metrics=["modes/class_kl"])
    assert other.curve(images).values == {PIXELS: real_row().values[PIXELS]}
    assert other.keys == [PIXELS, "modes/class_kl"]
    assert other.curve_protocol != evaluator().curve_protocol
    assert {PIXELS, FID_CLASSIFIER, FID_DISTILLED} <= set(other.curve_protocols.values()) == set(evaluator().curve_protocols.values())


@pytest.mark.parametrize("key", ["quality/frechet_pixel", "quality/precision_classifier", "modes/reverse_kl", "\n"])
def test_a_headline_that_cannot_rank_is_one_line(key: str) -> None:
    with pytest.raises(UserError, match=r"^evaluation\.headline='[^\n]*") as error:
        Evaluator(DATASETS.get("digits"), headline=key)
    assert "\n" not in str(error.value)


def test_only_the_request_for_cas_changes_the_protocol_of_a_run() -> None:
    digits = DATASETS.get("digits")
    assert Evaluator(digits, cas=True).protocol_hash != evaluator().protocol_hash
    assert Evaluator(digits, cas=True).protocol() == evaluator().protocol()


@pytest.mark.parametrize(
    ("option", "key"), [("photo", "quality/fid_photo"), ("inception", "quality/fid_inception"), ("cas", "quality/cas")]
)
def test_an_option_without_one_of_its_metrics_is_refused(option: str, key: str) -> None:
    with pytest.raises(UserError, match=rf"^evaluation\.metrics has no metric of evaluation\.{option}=true: .*{key}"):
        Evaluator(DATASETS.get("digits"), metrics=["quality/fid_classifier"], **{option: True})


@pytest.mark.parametrize("option", ["photo", "inception"])
def test_extractors_of_images_are_refused_for_points_in_one_line(option: str) -> None:
    with pytest.raises(UserError, match=rf"^the extractor {option} takes images, and ring8 has points: omit evaluation\.{option}$"):
        Evaluator(DATASETS.get("ring8"), **{option: True})


def test_protocol_follows_the_weights_and_the_version_of_each_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, other = Evaluator(DATASETS.get("digits")), Evaluator(DATASETS.get("digits"))
    assert ours.protocol_hash == other.protocol_hash
    assert len(set(ours.protocol().values())) == len(DIGITS)
    shipped = other._real.extractor("classifier")
    assert isinstance(shipped, ClassifierExtractor)
    card = shipped.card.model_copy(update={"weights_sha256": "0" * 64})
    other._real._extractors["classifier"] = ClassifierExtractor(card, card.network())
    changed = {key for key in DIGITS if other.protocol()[key] != ours.protocol()[key]}
    of_pixels = {"diversity/pairwise_distance", PIXELS, SPECTRUM, f"{SPECTRUM}_high", "modes/ndb", "modes/js_bins"}
    assert changed == set(DIGITS) - of_pixels - {FID_DISTILLED}
    assert other.protocol_hash != ours.protocol_hash
    before = ours.protocol()
    key = "modes/class_kl"
    monkeypatch.setitem(columns.CARDS, key, replace(columns.CARDS[key], version=columns.CARDS[key].version + 1))
    assert {name for name in DIGITS if ours.protocol()[name] != before[name]} == {key}


def test_other_weights_of_the_distilled_network_change_only_the_protocol_of_its_metric() -> None:
    ours, other = Evaluator(DATASETS.get("digits")), Evaluator(DATASETS.get("digits"))
    shipped = other._real.extractor("distilled")
    assert isinstance(shipped, DistilledExtractor)
    card = shipped.card.model_copy(update={"weights_sha256": "0" * 64})
    other._real._extractors["distilled"] = DistilledExtractor(card, card.network())
    assert {key for key in DIGITS if other.protocol()[key] != ours.protocol()[key]} == {FID_DISTILLED}
    assert other.protocol_hash != ours.protocol_hash
    assert other.curve_protocol != ours.curve_protocol
    assert other.curve_protocols.keys() & ours.curve_protocols.keys() == set(ours.curve_protocols) - {ours.curve_protocol}


def test_reference_images_are_training_images_and_always_the_same() -> None:
    dataset = DATASETS.get("digits")
    images = reference_images(dataset)
    assert len(images) == 500
    assert torch.equal(reference_images(dataset, 20), images[:20])
    train = {image.numpy().tobytes() for image in dataset.split("train").data}
    assert all(image.numpy().tobytes() in train for image in images)
    assert not torch.equal(images, dataset.split("train").data[:500])
    with pytest.raises(UserError, match="1,298 is more than the 1,297 training images of digits"):
        reference_images(dataset, 1298)


def test_more_samples_than_training_images_are_refused() -> None:
    check_samples(evaluator(1297))
    with pytest.raises(UserError) as error:
        check_samples(evaluator(1298))
    message = str(error.value)
    assert message.startswith("evaluation.samples: 1,298 is more than the 1,297 training images of digits")
    assert message.endswith("; set fewer, or 0 for 500")


def test_what_is_measured_follows_the_data() -> None:
    assert capabilities(DATASETS.get("digits")) == {
        "image",
        "features",
        "latents",
        "classifier",
        "distilled",
        "pixels",
        "labels",
        "neighbours",
        "training",
    }
    points = Evaluator(DATASETS.get("ring8"))
    assert points.keys == [MIXTURE_JS, "modes/found", REVERSE_KL, "modes/high_quality"]
    assert points.headline == MIXTURE_JS
    stacked = Evaluator(DATASETS.get("stacked-digits"))
    assert stacked.headline == REVERSE_KL
    assert {"modes/found", FID_CLASSIFIER, PIXELS} <= set(stacked.keys)
    assert not {"modes/classes_covered", "modes/collapse", "modes/ndb", "memorisation/ct_score", "quality/classifier_score"} & set(
        stacked.keys
    )
    assert not capabilities(stacked.dataset) & {"distilled"}


@pytest.mark.parametrize("name", ["digits", "fashion-mnist"])
def test_distilled_fid_is_the_headline(name: str) -> None:
    if why_not := available(name):
        pytest.skip(why_not)
    assert kinds_of(DATASETS.get(name)) == ("classifier", "distilled", "pixels")
    found = Evaluator(DATASETS.get(name))
    assert found.headline == FID_DISTILLED == next(key for key in HEADLINES if key in found.keys)
    assert FID_CLASSIFIER in found.keys
    assert Evaluator(DATASETS.get(name), headline=FID_CLASSIFIER).headline == FID_CLASSIFIER


def test_points_without_known_modes_have_no_evaluator() -> None:
    class Cloud:
        name, spec = "cloud", DataShape(kind="points", shape=(2,))

    unknown = cast("Dataset", Cloud())
    assert evaluator_for(unknown, Evaluation()) is None
    with pytest.raises(UserError, match="cloud has no metric"):
        Evaluator(unknown)


def test_true_points_are_good() -> None:
    for name, modes in (("ring8", 8), ("grid25", 25)):
        points = Evaluator(DATASETS.get(name))
        values = points.full(reference_images(DATASETS.get(name))).values
        assert values["modes/found"] == modes
        assert values["modes/high_quality"] == pytest.approx(1 - math.exp(-4.5), abs=0.006)
        assert 0 < values[REVERSE_KL] < chi2.ppf(0.999, modes - 1) / (2 * points.n)  # 2 n KL of a perfect sample is chi-squared
        assert values[f"modes/high_quality{SE}"] == pytest.approx(math.sqrt(0.9889 * 0.0111 / points.n), rel=0.5)


def test_points_that_are_not_finite_have_a_reason() -> None:
    points = reference_images(DATASETS.get("ring8")).clone()
    points[7, 0] = math.nan
    measurement = Evaluator(DATASETS.get("ring8")).full(points)
    assert all(math.isnan(value) for value in measurement.values.values())
    assert "1 of 2500 points are not finite" in measurement.reasons["modes/found"]


@pytest.mark.parametrize(
    "points",
    [torch.zeros(2500, 3), torch.zeros(2500, 2, dtype=torch.float64), torch.zeros(0, 2), torch.zeros(2500, 1, 8, 8, dtype=torch.uint8)],
)
def test_wrong_points_are_one_clear_line(points: Tensor) -> None:
    with pytest.raises(UserError, match=r"points of ring8 are float32 \[N, 2\], not") as error:
        Evaluator(DATASETS.get("ring8")).full(points)
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_fashion_real_row_is_good() -> None:
    why_not = available("fashion-mnist")
    if why_not:
        pytest.skip(why_not)
    fashion = Evaluator(DATASETS.get("fashion-mnist"), errors=False)
    with threadpool_limits(1):
        values = fashion.full(reference_images(fashion.dataset)).values
    assert values[FID_CLASSIFIER] < 1.0
    assert values["quality/precision_classifier"] > 0.8
    assert values["quality/recall_classifier"] > 0.8
    assert values["diversity/duplicate_rate"] < 0.005
    assert (values["modes/classes_covered"], values["modes/collapse"]) == (10.0, 0.0)
