"""Sample counts with small training splits, and with more external samples than training examples."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import photos
import pytest
import torch

from bench.core.config import DATASETS, Evaluation, config_for, override
from bench.core.errors import UserError
from bench.core.spec import DataShape, Examples, Split
from bench.evaluation.evaluator import Evaluator, check_samples, evaluator_for, reference_images, unmeasurable
from bench.evaluation.external import measure
from bench.metrics.columns import PIXELS
from bench.runs.preparation import check


@dataclass(frozen=True, kw_only=True)
class Cut:
    """A dataset with a small training split."""

    train: int
    name: str = "cut"
    title: str = "Cut"
    class_names: tuple[str, ...] = ()
    claims: bool = False

    @property
    def spec(self) -> DataShape:
        return replace(DATASETS.get("digits").spec, classes=0)

    def split(self, name: Split) -> Examples:
        data = DATASETS.get("digits").split(name).data
        return Examples(data=data[: self.train] if name == "train" else data[:90])

    def digest(self) -> str:
        return f"cut to {self.train}"


def test_fewer_training_than_test_images_are_as_many_as_are_measured() -> None:
    cut = Cut(train=30)
    found = Evaluator(cut)
    assert (found.n, found.reference_n) == (30, 90)
    check_samples(found)
    assert len(reference_images(cut)) == 30
    values = found.full(reference_images(cut)).values
    assert values[PIXELS] > 0
    assert Evaluator(cut, samples=20).n == 20
    assert Evaluator(Cut(train=900)).n == 90  # as many as the test split has


def test_a_training_split_that_is_too_small_has_no_evaluator() -> None:
    assert unmeasurable(Cut(train=10)) is None
    assert unmeasurable(Cut(train=9)) == "its training split has 9 examples, and at least 10 are needed"
    assert evaluator_for(Cut(train=9), Evaluation()) is None


@pytest.fixture
def given_splits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of a folder dataset with 20 training and 30 test images."""
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path / "cache"))
    for split, n in (("train", 20), ("test", 30)):
        photos.fill(tmp_path / "p" / split, n, size=(8, 8), mode="L")
    return f"folder:{tmp_path}/p"


def test_given_splits_with_more_test_than_training_images_are_measured(given_splits: str) -> None:
    config = config_for("dcgan", {"dataset": given_splits, "recipe.width": 8, "recipe.batch_size": 4})
    check(config)
    found = evaluator_for(DATASETS.get(config.dataset), config.evaluation)
    assert found is not None
    assert (found.n, found.reference_n) == (20, 30)
    with pytest.raises(UserError, match=r"evaluation.samples: 30 is more than the 20 training images .*; set fewer, or 0 for 20"):
        check(override(config, {"evaluation.samples": 30}))


def test_more_external_images_than_training_images_are_measured_without_the_row_real(
    given_splits: str, tmp_path: Path, ganbench: Callable[..., tuple[int, str, str]]
) -> None:
    noise = torch.randint(0, 256, (40, 8, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    np.savez(tmp_path / "x.npz", images=noise.numpy())
    status, out, _ = ganbench("evaluate", str(tmp_path / "x.npz"), "--dataset", given_splits, "--json")
    output = json.loads(out)
    assert (status, output["n"], output["real"], output["real_reasons"]) == (0, 40, None, {})
    assert output["metrics"][PIXELS] < output["untrained"][PIXELS]
    assert [*output["left_out"]] == ["real"]
    assert "40 is more than the 20 training images" in output["left_out"]["real"]
    _, out, _ = ganbench("evaluate", str(tmp_path / "x.npz"), "--dataset", given_splits)
    assert "no reference row real: 40 is more than the 20 training images" in " ".join(out.split())
    np.savez(tmp_path / "x.npz", images=noise[:20].numpy())
    found = measure(str(tmp_path / "x.npz"), given_splits)
    assert ([*found.rows], found.left_out) == (["real", "untrained"], {})


def test_more_external_points_than_training_points_too(tmp_path: Path) -> None:
    ring = DATASETS.get("ring8")
    np.savez(tmp_path / "x.npz", points=torch.cat([ring.split("train").data, ring.split("test").data[:1]]).numpy())
    found = measure(str(tmp_path / "x.npz"), "ring8")
    assert (found.n, [*found.rows]) == (100_001, ["untrained"])
    assert "100,001 is more than the 100,000 training points" in found.left_out["real"]
