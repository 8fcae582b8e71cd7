"""Section on sample grids: the position of each picture, and gaps for missing pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from synthetic_results import MARKS, SyntheticRun, points, references, results, synthetic_runs

from bench.tracking.results import FINAL_GRID, GRIDS
from reports.document import Filmstrip, Gallery
from reports.sections import sample_grids
from reports.sections.common import picture_of
from reports.view import view

TWO = {"a": (10.0, 11.0), "b": (20.0, 21.0)}


def blocks(runs: list[SyntheticRun], folder: Path, missing: tuple[str, ...] = ()) -> tuple[Gallery, Filmstrip]:
    found = results(runs, folder)
    for path in missing:
        (folder / path).unlink()
    section = sample_grids.build(view(found))
    assert section is not None
    gallery = next(block for block in section.blocks if isinstance(block, Gallery))
    return gallery, next(block for block in section.blocks if isinstance(block, Filmstrip))


def test_every_entry_then_the_references(tmp_path: Path) -> None:
    gallery, film = blocks([*synthetic_runs(TWO), *references()], tmp_path)
    assert [(tile.title, tile.detail) for tile in gallery.tiles] == [
        ("a", "seed 0, classifier-FID 10.0"),
        ("b", "seed 0, classifier-FID 20.0"),
        ("real", "reference"),
        ("untrained", "reference"),
    ]
    assert film.columns == ("3k", "12k", "30k", "67.5k", "112.5k")
    assert gallery.film == film.id
    assert [strip.title for strip in film.strips] == ["a", "b"]
    assert all(picture is not None for strip in film.strips for picture in strip.pictures)


def test_the_first_seed_that_has_a_grid(tmp_path: Path) -> None:
    gallery, _ = blocks(synthetic_runs(TWO), tmp_path, missing=(f"0/{FINAL_GRID}",))
    assert gallery.tiles[0].detail == "seed 1, classifier-FID 11.0"


def test_a_run_that_stopped_early_has_gaps_and_no_end(tmp_path: Path) -> None:
    late = [f"{GRIDS}/step_{mark:09d}.png" for mark in MARKS[2:]]
    ends = tuple(f"{run}/{FINAL_GRID}" for run in (0, 1))
    gallery, film = blocks(synthetic_runs(TWO), tmp_path, missing=(*(f"0/{path}" for path in late), *ends))
    assert [tile.title for tile in gallery.tiles] == ["b"]
    assert [strip.title for strip in film.strips] == ["a", "b"]
    assert [picture is None for picture in film.strips[0].pictures] == [False, False, True, True, True]
    assert not any(picture is None for picture in film.strips[1].pictures)


def test_the_final_grid_and_the_strip_of_an_entry_are_from_one_run(tmp_path: Path) -> None:
    """A seed with the final grid and the strip is preferred to an earlier seed that lacks one of them."""
    marks = tuple(f"0/{GRIDS}/step_{mark:09d}.png" for mark in MARKS)
    gallery, film = blocks(synthetic_runs(TWO), tmp_path, missing=(*marks, f"2/{FINAL_GRID}"))
    assert [tile.detail[:6] for tile in gallery.tiles] == ["seed 1", "seed 1"]
    assert [strip.title for strip in film.strips] == ["a", "b"]


def grid(samples: int, width: int = 4, lines: int = 255) -> np.ndarray:
    """Return a square grid of dark random samples between lines of one colour."""
    random = np.random.default_rng(samples)
    step = width + 1
    pixels = random.integers(0, 250, size=(samples * step + 1, samples * step + 1), dtype=np.uint8)
    pixels[::step], pixels[:, ::step] = lines, lines
    return pixels


def test_part_of_a_grid_is_whole_samples() -> None:
    whole = grid(8)
    assert sample_grids.crop(whole, 8) is whole
    part = sample_grids.crop(whole, 6)
    assert part.shape == (31, 31)
    assert (part == whole[:31, :31]).all()
    colour = np.stack([whole, whole, np.where(whole == 255, 255, 0).astype(np.uint8)], axis=2)
    assert sample_grids.crop(colour, 4).shape == (21, 21, 3)


@pytest.mark.parametrize(
    "pixels", [grid(8, lines=0), grid(8)[:-5], grid(8)[:, 1:], np.full((41, 41), 255, np.uint8), np.zeros((9, 9), np.uint8)]
)
def test_a_picture_that_is_not_a_square_grid_is_unchanged(pixels: np.ndarray) -> None:
    assert sample_grids.crop(pixels, 4) is pixels


def test_as_many_samples_as_fit() -> None:
    pictures = [grid(8, width=28)] * 3
    sizes = {side: 3 * len(picture_of(sample_grids.crop(pictures[0], side), "").data) for side in sample_grids.SIDES}
    assert list(sizes.values()) == sorted(sizes.values(), reverse=True)
    for side, size in sizes.items():
        assert sample_grids.grid_side(pictures, size) == (side, 8)
    assert sample_grids.grid_side(pictures, sizes[8] - 1) == (6, 8)
    assert sample_grids.grid_side(pictures, 1) == (4, 8)
    assert sample_grids.grid_side([grid(3)], 10**9) == (3, 3)
    assert sample_grids.grid_side([], 1) == (0, 0)


def test_a_small_report_has_few_samples_and_no_earlier_ones(tmp_path: Path) -> None:
    section = sample_grids.build(view(results(synthetic_runs(TWO), tmp_path), small=True))
    assert section is not None
    assert [type(block) for block in section.blocks] == [Gallery]
    gallery = section.blocks[0]
    assert isinstance(gallery, Gallery)
    assert gallery.film == ""
    assert [tile.title for tile in gallery.tiles] == ["a", "b"]


def test_a_column_is_headed_by_the_range_of_its_marks(tmp_path: Path) -> None:
    found = results(synthetic_runs(TWO), tmp_path)
    for file in list((tmp_path / "2" / GRIDS).glob("step_*.png")):
        images = int(file.stem.removeprefix("step_"))
        file.rename(file.with_name(f"step_{images + 320:09d}.png"))
    section = sample_grids.build(view(found))
    assert section is not None
    film = next(block for block in section.blocks if isinstance(block, Filmstrip))
    assert film.columns == ("3k–3.32k", "12k–12.32k", "30k", "67.5k", "112.5k")
    assert film.strips[1].pictures[0] is not None
    assert film.strips[1].pictures[0].alt == "b after 3,320 images"


def test_points_are_dots_and_circles_not_images(tmp_path: Path) -> None:
    gallery, film = blocks(points({"c": (0.1, 0.2)}), tmp_path)
    assert [(tile.title, tile.detail) for tile in gallery.tiles] == [
        ("c", "seed 0, reverse KL 0.100"),
        ("real", "reference"),
        ("untrained", "reference"),
    ]
    assert gallery.tiles[0].picture.alt == "generated points of c, seed 0"
    assert not gallery.tiles[0].picture.pixelated
    assert "circles" in gallery.caption
    assert "real points used in training" in film.caption
