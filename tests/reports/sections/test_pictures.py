"""The sections that are a picture an entry: each entry in its place, in its colour, with its words."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from synthetic_results import Made, made, references, results

from reports.document import Gallery, Section
from reports.palette import palette
from reports.sections import classes, interpolation, progress, training
from reports.view import View, view

TWO = {"b": (10.0, 11.0, 12.0), "a": (20.0, 21.0, 22.0)}
BUILDERS: tuple[Callable[[View], Section | None], ...] = (classes.build, interpolation.build, progress.build, training.build)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> View:
    runs = [*made(TWO), *(Made(variant="w", seed=seed, fid=30.0 + seed, log_odds=False) for seed in range(3)), *references()]
    return view(results(runs, tmp_path_factory.mktemp("artifacts")))


def galleries(section: Section | None) -> list[Gallery]:
    assert section is not None
    return [block for block in section.blocks if isinstance(block, Gallery)]


@pytest.mark.parametrize("build", [classes.build, interpolation.build])
def test_a_tile_an_entry_in_its_colour(build: Callable[[View], Section | None], prepared: View) -> None:
    (gallery,) = galleries(build(prepared))
    styles = palette("abw")
    assert [(tile.title, tile.colour) for tile in gallery.tiles] == [(name, styles[name].colour) for name in "baw"]


def test_probabilities_only_where_logits_are_log_odds(prepared: View) -> None:
    losses, beliefs = galleries(training.build(prepared))
    assert [tile.title for tile in losses.tiles] == ["b", "a", "w"]
    assert [tile.title for tile in beliefs.tiles] == ["b", "a"]


@pytest.mark.parametrize("build", BUILDERS)
def test_no_section_without_data(build: Callable[[View], Section | None]) -> None:
    assert build(view(results(made(TWO), curves=False))) is None
