"""Pictures at the right place, and gaps where there are none."""

from __future__ import annotations

from pathlib import Path

from synthetic_results import MARKS, Made, made, points, references, results

from bench.results import FINAL_GRID, GRIDS
from reports.document import Filmstrip, Gallery
from reports.sections import wall
from reports.view import view

TWO = {"a": (10.0, 11.0), "b": (20.0, 21.0)}


def blocks(runs: list[Made], folder: Path, missing: tuple[str, ...] = ()) -> tuple[Gallery, Filmstrip]:
    found = results(runs, folder)
    for path in missing:
        (folder / path).unlink()
    section = wall.build(view(found))
    assert section is not None
    gallery = next(block for block in section.blocks if isinstance(block, Gallery))
    return gallery, next(block for block in section.blocks if isinstance(block, Filmstrip))


def test_every_entry_then_the_references(tmp_path: Path) -> None:
    gallery, film = blocks([*made(TWO), *references()], tmp_path)
    assert [(tile.title, tile.detail) for tile in gallery.tiles] == [
        ("a", "seed 0, classifier-FID 10.0"),
        ("b", "seed 0, classifier-FID 20.0"),
        ("real", "reference"),
        ("untrained", "reference"),
    ]
    assert film.columns == ("3k", "12k", "30k", "67.5k", "112.5k", "end")
    assert [strip.title for strip in film.strips] == ["a", "b"]
    assert all(picture is not None for strip in film.strips for picture in strip.pictures)


def test_the_first_seed_that_has_a_grid(tmp_path: Path) -> None:
    gallery, _ = blocks(made(TWO), tmp_path, missing=(f"0/{FINAL_GRID}",))
    assert gallery.tiles[0].detail == "seed 1, classifier-FID 11.0"


def test_a_run_that_stopped_early_has_gaps_and_no_end(tmp_path: Path) -> None:
    late = [f"{GRIDS}/step_{mark:09d}.png" for mark in MARKS[2:]]
    _, film = blocks(made(TWO), tmp_path, missing=tuple(f"0/{path}" for path in (*late, FINAL_GRID)))
    assert [picture is None for picture in film.strips[0].pictures] == [False, False, True, True, True, True]
    assert not any(picture is None for picture in film.strips[1].pictures)


def test_a_column_is_headed_by_the_range_of_its_marks(tmp_path: Path) -> None:
    found = results(made(TWO), tmp_path)
    for file in list((tmp_path / "2" / GRIDS).glob("step_*.png")):
        images = int(file.stem.removeprefix("step_"))
        file.rename(file.with_name(f"step_{images + 320:09d}.png"))
    section = wall.build(view(found))
    assert section is not None
    film = next(block for block in section.blocks if isinstance(block, Filmstrip))
    assert film.columns == ("3k–3.32k", "12k–12.32k", "30k", "67.5k", "112.5k", "end")
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
    assert "real points shown" in film.caption
