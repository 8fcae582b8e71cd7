"""The evidence that an evaluation writes to evidence.json, and the nearest training images, for planted examples."""

from __future__ import annotations

import json
import math

import pytest
import torch
from labelled import PLAIN
from torch import Tensor

from bench.core.config import DATASETS
from bench.core.spec import Mixture
from bench.evaluation.evaluator import Evaluator, Measurement, capabilities, reference_images
from bench.metrics.evidence_json import MOST_POINTS, NEAREST_PAIRS, evidence_json
from bench.metrics.half_samples import canonical_order
from bench.metrics.spectrum import spectra

DIGITS = DATASETS.get("digits")


def measured(data: Tensor, name: str = "digits") -> Measurement:
    return Evaluator(DATASETS.get(name), samples=len(data), errors=False).full(data)


def test_evidence_is_json_and_its_shares_are_shares() -> None:
    for name in ("digits", "ring8", "stacked-digits"):
        evidence = measured(reference_images(DATASETS.get(name), 60), name).evidence
        assert json.loads(json.dumps(evidence, allow_nan=False)) == evidence
        assert evidence["n"] == 60
        sides = [*evidence.get("class_share", {}).values(), *evidence.get("bins", {}).values()]
        shares = [*sides, evidence["modes"]["shares"]] if "modes" in evidence else sides
        assert shares
        assert all(sum(share) == pytest.approx(1.0) for share in shares)


def test_bins_hold_what_falls_into_them() -> None:
    evidence = measured(reference_images(DIGITS, 200)).evidence["bins"]
    assert len(evidence["generated"]) == len(evidence["train"])
    one = measured(reference_images(DIGITS, 1).repeat(50, 1, 1, 1)).evidence["bins"]
    assert sorted(one["generated"])[-2:] == [0.0, 1.0]
    assert one["train"] == evidence["train"]


def test_the_spectrum_of_images_that_are_measured_by_it() -> None:
    found = measured(reference_images(DIGITS, 200)).evidence["spectrum"]
    assert found["real"] == pytest.approx(spectra(DIGITS.split("test").data).double().mean(dim=0).tolist(), rel=1e-4)
    assert found["generated"] == pytest.approx(found["real"], rel=0.3)
    assert "spectrum" not in measured(reference_images(DATASETS.get("ring8"), 60), "ring8").evidence
    assert "spectrum" not in Evaluator(DIGITS, samples=60, errors=False, metrics=["modes/ndb"]).full(reference_images(DIGITS, 60)).evidence


def test_points_their_centres_and_the_modes_found() -> None:
    ring = DATASETS.get("ring8")
    assert isinstance(ring, Mixture)
    data = ring.centres[:3].repeat_interleave(20, dim=0) + 0.1 * ring.sd
    evidence = measured(data, "ring8").evidence
    assert evidence["modes"]["found"] == 3
    assert (evidence["modes"]["count"], evidence["sd"]) == (8, ring.sd)
    assert evidence["modes"]["shares"] == pytest.approx([1 / 3] * 3 + [0.0] * 5)
    torch.testing.assert_close(torch.tensor(evidence["centres"]), ring.centres, rtol=0, atol=1e-4)
    torch.testing.assert_close(torch.tensor(sorted(evidence["points"])), torch.tensor(sorted(data.tolist())), rtol=0, atol=1e-4)


def test_points_are_as_many_as_a_picture_can_bear() -> None:
    data = reference_images(DATASETS.get("ring8"), MOST_POINTS + 100)
    evidence = measured(data, "ring8").evidence
    assert (evidence["n"], len(evidence["points"])) == (MOST_POINTS + 100, MOST_POINTS)


def test_points_that_are_no_numbers_are_not_drawn_and_modes_not_told() -> None:
    data = reference_images(DATASETS.get("ring8"), 60).clone()
    data[3, 1] = math.inf
    evidence = measured(data, "ring8").evidence
    assert len(evidence["points"]) == 59
    assert "modes" not in evidence


def test_copies_are_shown_beside_their_originals() -> None:
    copies = DIGITS.split("train").data[100:110]
    noise = torch.randint(0, 256, (70, 1, 8, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    nearest = measured(torch.cat([noise, copies])).nearest
    assert nearest is not None
    assert nearest.shape == (2 * NEAREST_PAIRS, 1, 8, 8)
    generated, training = nearest[0::2], nearest[1::2]
    assert torch.equal(generated[:10], training[:10])
    assert {image.numpy().tobytes() for image in generated[:10]} == {image.numpy().tobytes() for image in copies}
    assert not any(torch.equal(one, other) for one, other in zip(generated[10:], training[10:], strict=True))
    train = {image.numpy().tobytes() for image in DIGITS.split("train").data}
    assert all(image.numpy().tobytes() in train for image in training)


def test_few_images_are_all_shown_and_their_order_tells_nothing() -> None:
    images = reference_images(DIGITS, 12)
    nearest = measured(images).nearest
    again = measured(images.flip(0)).nearest
    assert nearest is not None
    assert again is not None
    assert nearest.shape == (24, 1, 8, 8)
    assert torch.equal(nearest, again)


def test_only_what_the_data_gives_occasion_for() -> None:
    plain = Evaluator(PLAIN, errors=False).full(PLAIN.split("test").data)
    assert set(plain.evidence) == {"n", "bins", "spectrum"}
    assert plain.nearest is not None
    stacked = measured(reference_images(DATASETS.get("stacked-digits"), 20), "stacked-digits")
    assert set(stacked.evidence) == {"n", "modes", "spectrum"}
    assert stacked.nearest is None


def test_what_could_not_be_measured_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> float:
        raise ValueError("too odd")

    monkeypatch.setattr("bench.metrics.ndb.ndb", fails)
    monkeypatch.setattr("bench.metrics.memorisation.authenticity", fails)
    images = reference_images(DIGITS, 30)
    evidence = Evaluator(DIGITS, samples=30)._evidence(images[canonical_order(images)])
    record = evidence_json(evidence, capabilities(DIGITS))
    assert set(record.evidence) == {"n", "class_names", "class_share"}
    assert record.nearest is None
    assert evidence.reasons["modes/ndb"] == evidence.reasons["memorisation/authenticity"] == "too odd"
