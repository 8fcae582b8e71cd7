"""Checks of the value range of external images. Wrong ranges raise an error, and valid images never do."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch import Tensor

from bench.core.config import DATASETS, NETWORKS, VARIANTS, config_for
from bench.core.errors import UserError
from bench.core.spec import Judged
from bench.evaluation.external import image_requirements
from bench.evaluation.external_images import ImageRequirements, Range, read_npz
from bench.evaluation.image_folder import read_folder
from bench.evaluation.sampling import sample, sample_labels
from bench.evaluation.value_checks import Levels, check_values, levels_of
from bench.training.build import assemble

DIGITS = DATASETS.get("digits")
SYMMETRIC: Range = (-1.0, 1.0)
OF_IMAGES = [
    name
    for name in VARIANTS.names()
    if "generation" in VARIANTS.get(name).tasks and ("image" in NETWORKS.get(VARIANTS.get(name).networks).kinds)
]
OFFLINE = [
    pytest.param(name, marks=pytest.mark.slow if isinstance(dataset, Judged) and dataset.judge.name != DIGITS.name else ())
    for name, dataset in DATASETS
    if dataset.spec.kind == "image" and getattr(dataset, "missing", lambda: None)() is None
]  # computing the derived data of Fashion-MNIST takes seconds
UNIT = load_digits().images[:50] / 16  # float64 in [0, 1]


def read(folder: Path, array: np.ndarray, value_range: Range | None = None, wanted: ImageRequirements | None = None) -> Tensor:
    np.savez(folder / "x.npz", images=array)
    return read_npz(folder / "x.npz", wanted or image_requirements(DIGITS), value_range)


@pytest.mark.parametrize(
    ("array", "value_range", "message"),
    [
        (UNIT.astype("uint8"), None, r"values go from 0 to 1, and the values of digits reach 255, as if floats in \[0, 1\] were cast"),
        ((UNIT * 15).astype("uint8"), None, "values go from 0 to 15"),
        ((UNIT * 16).astype("uint8"), None, "values go from 0 to 16"),
        ((UNIT * 0.99).astype("uint8"), None, "values go from 0 to 0"),
        (UNIT / 255, None, "no value above 1/255 of white, which is 1, as if they were divided by 255 twice"),
        (UNIT.astype("float32") / 255 / 255, None, "no value above 1/255 of white"),
        (UNIT, (0.0, 255.0), "no value above 1/255 of white, which is 255: set --range"),
        (UNIT, SYMMETRIC, r"no value in the lower half of \[-1, 1\], where 6\d% of the values of digits lie"),
        (UNIT, (0.0, 2.0), r"no value in the upper half of \[0, 2\], where 3\d% of the values"),
        (UNIT * 255, (-255.0, 255.0), "no value in the lower half"),
    ],
)
def test_a_mistake_is_one_line_and_measured_only_with_as_is(
    tmp_path: Path, array: np.ndarray, value_range: Range | None, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(UserError, match=f"{message}.*--as-is") as caught:
        read(tmp_path, array, value_range)
    assert "\n" not in str(caught.value)
    assert not caplog.text
    assert len(read(tmp_path, array, value_range, image_requirements(DIGITS, as_is=True))) == 50
    assert len(caplog.records) >= 1


def test_a_mistake_in_a_folder_of_images_is_found_too(tmp_path: Path) -> None:
    for index, image in enumerate(UNIT.astype("uint8")):
        Image.fromarray(image).save(tmp_path / f"{index}.png")
    with pytest.raises(UserError, match="values go from 0 to 1"):
        read_folder(tmp_path, image_requirements(DIGITS))
    assert len(read_folder(tmp_path, image_requirements(DIGITS, as_is=True))) == 50


@pytest.mark.parametrize("name", OF_IMAGES)
def test_images_of_an_untrained_generator_are_accepted(tmp_path: Path, name: str) -> None:
    networks = assemble(config_for(name, {"recipe.width": 8}), DIGITS.spec)[0]
    images = sample(
        networks, n=20, seed=0, batch_size=20, device=torch.device("cpu"), labels=sample_labels(networks, DIGITS, 20, seed=0)
    ).numpy()
    for array, value_range in ((images, None), (images / 255, None), (images / 127.5 - 1, SYMMETRIC)):
        np.testing.assert_array_equal(read(tmp_path, array, value_range).numpy(), images)


@pytest.mark.parametrize("level", [17, 64, 127, 128, 200, 255])
def test_a_generator_that_collapsed_to_one_grey_is_measured_with_a_warning(
    tmp_path: Path, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    grey = np.full((20, 1, 8, 8), level, np.uint8)
    for array, value_range in ((grey, None), (grey / 255, None), (grey / 127.5 - 1, SYMMETRIC), (grey / 1.0, (0.0, 255.0))):
        caplog.clear()
        assert set(read(tmp_path, array, value_range).flatten().tolist()) == {level}
        assert [record.message for record in caplog.records] == ["all 20 images are the same"]


@pytest.mark.parametrize("name", OFFLINE)
def test_real_images_are_accepted(name: str, caplog: pytest.LogCaptureFixture) -> None:
    dataset = DATASETS.get(name)
    levels = levels_of(dataset.split("test").data)
    for images in (dataset.split("train").data[:200], dataset.split("test").data[-200:], dataset.split("train").data[:10]):
        for is_float, value_range in ((False, None), (True, None), (True, SYMMETRIC)):
            check_values(images, levels, dataset=name, is_float=is_float, value_range=value_range)
    assert not caplog.text


def test_dark_data_has_dark_images(caplog: pytest.LogCaptureFixture) -> None:
    stars = Levels(upper_share=0.01, highest=255)
    dark = torch.arange(16, dtype=torch.uint8).repeat(10, 1, 4, 1)
    dark[0, 0, 0, 0] = 9
    for is_float in (False, True):
        check_values(dark, stars, dataset="stars", is_float=is_float)
        check_values(dark // 4, Levels(upper_share=0.0, highest=4), dataset="moonless", is_float=is_float)
    assert not caplog.text
    with caplog.at_level(logging.WARNING):
        check_values(dark // 4, stars, dataset="stars", is_float=False)
    assert "nearly black: their highest value is 3 of 255, and the images of stars reach 255" in caplog.text


def test_levels_come_from_all_parts_of_a_large_data_set() -> None:
    images = torch.zeros(40, 3, 512, 512, dtype=torch.uint8)
    images[20:] = 200
    assert levels_of(images) == Levels(upper_share=0.5, highest=200)
    assert levels_of(images[:1]).lower_share == 1.0
