"""Lossless compression of pictures."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from synthetic_results import results, synthetic_runs

from bench.tracking.results import FINAL_GRID
from reports.sections.common import png, unscaled

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (24, 36), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (24, 36, 3), dtype=np.uint8)


@pytest.mark.parametrize("factor", [1, 2, 3, 8])
@pytest.mark.parametrize("pixels", [GREY, COLOUR])
def test_enlargement_is_undone(pixels: np.ndarray, factor: int) -> None:
    assert np.array_equal(unscaled(pixels.repeat(factor, 0).repeat(factor, 1)), pixels)


def test_grey_stored_as_colour_becomes_grey() -> None:
    assert np.array_equal(unscaled(np.stack([GREY] * 3, axis=-1)), GREY)


def test_a_picture_keeps_its_pixels(tmp_path: Path) -> None:
    found = results(synthetic_runs({"a": (1.0,)}), tmp_path)
    Image.fromarray(COLOUR.repeat(4, 0).repeat(4, 1)).save(tmp_path / "0" / FINAL_GRID)
    picture = png(found, "a-0", FINAL_GRID, "words")
    assert picture is not None
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(picture.data))), COLOUR)
    assert (picture.pixelated, picture.alt) == (True, "words")


def test_a_picture_far_too_large_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = results(synthetic_runs({"a": (1.0,)}), tmp_path)
    Image.new("L", (4000, 10)).save(tmp_path / "0" / FINAL_GRID)
    assert png(found, "a-0", FINAL_GRID, "words") is None
    assert "4000 x 10" in caplog.text


def test_a_drawing_gets_a_palette_and_keeps_its_pixels(tmp_path: Path) -> None:
    found = results(synthetic_runs({"a": (1.0,)}), tmp_path)
    drawing = RNG.choice(RNG.integers(0, 256, (200, 3), dtype=np.uint8), (90, 121))
    Image.fromarray(drawing).save(tmp_path / "0" / FINAL_GRID)
    picture = png(found, "a-0", FINAL_GRID, "words")
    assert picture is not None
    image = Image.open(io.BytesIO(picture.data))
    assert image.mode == "P"
    assert np.array_equal(np.asarray(image.convert("RGB")), drawing)
    plain = io.BytesIO()
    Image.fromarray(drawing).save(plain, format="PNG", optimize=True)
    assert len(picture.data) < len(plain.getvalue()) / 2
