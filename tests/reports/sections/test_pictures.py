"""Sections with a picture for each entry: the position, colour and alternative text of each picture."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from synthetic_results import SyntheticRun, points, references, results, synthetic_runs

from reports.document import Figure, Gallery, Section
from reports.palette import palette
from reports.sections import classes, interpolation, progress, training
from reports.view import View, view

TWO = {"b": (10.0, 11.0, 12.0), "a": (20.0, 21.0, 22.0)}
BUILDERS: tuple[Callable[[View], Section | None], ...] = (classes.build, interpolation.build, progress.build, training.build)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> View:
    runs = [
        *synthetic_runs(TWO),
        *(SyntheticRun(variant="w", seed=seed, fid=30.0 + seed, log_odds=False) for seed in range(3)),
        *references(),
    ]
    return view(results(runs, tmp_path_factory.mktemp("artifacts")))


def galleries(section: Section | None) -> list[Gallery]:
    assert section is not None
    return [block for block in section.blocks if isinstance(block, Gallery)]


@pytest.mark.parametrize("build", [classes.build, interpolation.build])
def test_a_tile_for_each_entry_in_its_colour(build: Callable[[View], Section | None], prepared: View) -> None:
    (gallery,) = galleries(build(prepared))
    styles = palette("abw")
    assert [(tile.title, tile.colour) for tile in gallery.tiles] == [(name, styles[name].colour) for name in "baw"]


def test_probabilities_only_where_logits_are_log_odds(prepared: View) -> None:
    losses, probabilities, logits, gradients = galleries(training.build(prepared))
    for gallery in (losses, logits, gradients):
        assert [tile.title for tile in gallery.tiles] == ["b", "a", "w"]
    assert [tile.title for tile in probabilities.tiles] == ["b", "a"]


def test_captions_of_training_curves_name_the_drawn_seeds(prepared: View) -> None:
    assert "thin: every seed, at most 50 points" in galleries(training.build(prepared))[0].caption
    many = view(results([SyntheticRun(variant="a", seed=seed, fid=10.0) for seed in range(11)]))
    assert "thin: the first 10 seeds, at most 50 points" in galleries(training.build(many))[0].caption


def test_points_are_not_called_images_in_training() -> None:
    captions = [gallery.caption for gallery in galleries(training.build(view(results(points({"c": (0.1, 0.2)})))))]
    assert "real and for generated points" in captions[2]
    assert not any("image" in caption for caption in captions)


@pytest.mark.slow
def test_a_page_of_twelve_variants_stays_light() -> None:
    """All curves of twelve variants with five seeds take less than 1.3 MB as base64."""
    prepared = view(results([SyntheticRun(variant=f"v{i}", seed=seed, fid=10.0 + i) for i in range(12) for seed in range(5)]))
    pictures = [tile.picture for gallery in galleries(training.build(prepared)) for tile in gallery.tiles]
    section = progress.build(prepared)
    assert section is not None
    pictures += [block.picture for block in section.blocks if isinstance(block, Figure)]
    assert len(pictures) == 4 * 12 + 2
    assert sum(len(picture.data) for picture in pictures) * 4 / 3 < 1.3e6


@pytest.mark.parametrize("build", BUILDERS)
def test_no_section_without_data(build: Callable[[View], Section | None]) -> None:
    assert build(view(results(synthetic_runs(TWO), curves=False))) is None
