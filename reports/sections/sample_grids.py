"""Section on sample grids: the final grid of every entry side by side, then the same noise through training.

`marks` are evaluation points."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from bench.tracking.results import FINAL_GRID
from reports.cohort import Cohort, CohortEntry, numbers, seed_words
from reports.document import Block, Filmstrip, Gallery, Heading, Picture, Section, Strip, Tile
from reports.format import number, thousands
from reports.sections.common import by_cohort, picture_of, pixels_of
from reports.view import View

TITLE = "Samples"
ROOM = 2_000_000  # bytes that the pictures of all cohorts may take together
SIDES = (8, 6, 5, 4)  # sides of a grid in samples; the largest that fits is used


@dataclass(frozen=True, kw_only=True, eq=False)
class RunPictures:
    """Record of the pictures of one run: the final one, and those at evaluation points (`marks`) by images."""

    name: str
    detail: str
    alt: str  # alternative text of the final picture
    entry: bool = True
    end: np.ndarray | None
    marks: tuple[tuple[int, np.ndarray | None], ...] = ()

    @property
    def all(self) -> list[np.ndarray]:
        """The existing pictures."""
        return [found for found in (self.end, *(picture for _, picture in self.marks)) if found is not None]


def build(view: View) -> Section | None:
    """Return the sample grids and, unless the report is small, the filmstrip of every cohort, or None if no run recorded a grid."""
    return _section(view, marks=not view.small)


def build_final(view: View) -> Section | None:
    """Return the final sample grids of every cohort, without the filmstrips, which take most of the time. None if no run recorded one."""
    return _section(view, marks=False)


def _section(view: View, *, marks: bool) -> Section | None:
    blocks = by_cohort(view, lambda cohort: _blocks(cohort, view, marks=marks))
    return Section(id="samples", title=TITLE, blocks=blocks) if blocks else None


def _blocks(cohort: Cohort, view: View, *, marks: bool) -> list[Block]:
    found = [frames for entry in cohort.entries if (frames := _frames(entry, cohort, view, marks=marks)) is not None]
    for _, row in cohort.references.iterrows():
        end = pixels_of(view.results, str(row["run_id"]), FINAL_GRID)
        name = str(row["variant"])
        found.append(RunPictures(name=name, detail="reference", alt=f"{cohort.things} of the reference {name}", entry=False, end=end))
    side, of = grid_side([picture for frames in found for picture in frames.all], 0 if view.small else ROOM // len(view.cohorts))
    part = "" if side >= of else f" The first {side} × {side} of {of} × {of} samples; MLflow has all of them."
    return [*_final_grids(found, cohort, view, side, part), *_through_training(found, cohort, view, side)]


def _final_grids(found: Sequence[RunPictures], cohort: Cohort, view: View, side: int, part: str) -> list[Block]:
    tiles = []
    for frames in found:
        if frames.end is None:
            continue
        colour = view.palette[frames.name].colour if frames.entry else ""
        tiles.append(Tile(title=frames.name, colour=colour, picture=picture_of(crop(frames.end, side), frames.alt), detail=frames.detail))
    caption = (
        f"After {cohort.budget}, without selection: the same noise seed for every entry, the first training seed with a {'picture' if cohort.points else 'grid'}. "
        f"The value beside the seed is that of the last checkpoint.{part}"
    )
    if cohort.points:
        caption += " Dots are generated points; circles have a radius of 3 standard deviations around a true centre."
    film = _film_id(cohort) if any(frames.marks for frames in found) else ""
    return [Gallery(id=f"wall-{cohort.index}", caption=caption, tiles=tuple(tiles), tile_width=240, film=film)] if tiles else []


def _film_id(cohort: Cohort) -> str:
    return f"marks-{cohort.index}"


def _through_training(found: Sequence[RunPictures], cohort: Cohort, view: View, side: int) -> list[Block]:
    """Return a row for each entry, with its k-th picture in the k-th column.

    Entries reach an evaluation point at slightly different numbers of images (a round has k batches), so a column title is a range.
    """
    recorded = [frames for frames in found if any(picture is not None for _, picture in frames.marks)]
    if not recorded:
        return []
    depth = max(len(frames.marks) for frames in recorded)
    reached = [[frames.marks[i][0] for frames in recorded if i < len(frames.marks)] for i in range(depth)]
    strips = []
    for frames in recorded:
        pictures: list[Picture | None] = [None] * depth
        for i, (images, pixels) in enumerate(frames.marks):
            if pixels is not None:
                pictures[i] = picture_of(crop(pixels, side), f"{frames.name} after {images:,} {cohort.things}")
        strips.append(Strip(title=frames.name, colour=view.palette[frames.name].colour, pictures=tuple(pictures)))
    caption = f"The same noise at each evaluation point, in real {cohort.things} used in training, for the runs above."
    return [
        Heading(text="Through training"),
        Filmstrip(id=_film_id(cohort), caption=caption, columns=tuple(map(_range, reached)), strips=tuple(strips), tile_width=130),
    ]


def _frames(entry: CohortEntry, cohort: Cohort, view: View, *, marks: bool) -> RunPictures | None:
    """Return the pictures of the first run with a final one and evaluation points, else with either, or None without any.

    Without `marks`, the function ignores evaluation points."""
    found = []
    values = numbers(entry.runs, cohort.headline.key)
    for run_id, seed, value in zip(map(str, entry.runs["run_id"]), entry.runs["seed"], values, strict=True):
        paths = view.results.grids(run_id) if marks else []
        has_end = view.results.artifact(run_id, FINAL_GRID) is not None
        detail = seed_words(seed) + ("" if math.isnan(value) else f", {cohort.headline.title} {number(value)}")
        found.append(((not has_end, not paths), run_id, seed, detail, paths))
    (no_end, no_marks), run_id, seed, detail, paths = min(found, key=lambda item: item[0])
    if no_end and no_marks:
        return None
    film = tuple((images, pixels_of(view.results, run_id, path)) for images, path in paths)
    alt = f"generated {cohort.things} of {entry.name}, {seed_words(seed)}"
    return RunPictures(name=entry.name, detail=detail, alt=alt, end=pixels_of(view.results, run_id, FINAL_GRID), marks=film)


def grid_side(pictures: Iterable[np.ndarray], room: int) -> tuple[int, int]:
    """Return the side of each grid in samples, so that all fit into `room` bytes, and the side of the largest.

    If no side fits, use the smallest."""
    pictures = list(pictures)
    largest = max((_samples(pixels) for pixels in pictures), default=0)
    for side in (side for side in SIDES if side < largest or side == SIDES[0]):
        if side == SIDES[-1] or sum(len(picture_of(crop(pixels, side), "").data) for pixels in pictures) <= room:
            return min(side, largest), largest
    return largest, largest


def crop(pixels: np.ndarray, side: int) -> np.ndarray:
    """Return the first `side` x `side` samples of a grid [H, W] or [H, W, 3]. A picture that is not a square grid is unchanged."""
    samples = _samples(pixels)
    if samples <= side:
        return pixels
    step = (len(pixels) - 1) // samples
    return pixels[: side * step + 1, : side * step + 1]


def _samples(pixels: np.ndarray) -> int:
    """Return the side, in samples, of a square grid with white lines of one pixel, or 0 for another picture."""
    flat = pixels if pixels.ndim == 2 else pixels.min(axis=2)
    rows, columns = np.flatnonzero((flat == 255).all(axis=1)), np.flatnonzero((flat == 255).all(axis=0))
    if not 3 <= len(rows) == len(columns) <= len(flat) // 2 or flat.shape[0] != flat.shape[1]:
        return 0
    samples = len(rows) - 1
    expected = np.linspace(0, len(flat) - 1, samples + 1)
    return samples if (rows == expected).all() and (columns == expected).all() else 0


def _range(images: list[int]) -> str:
    """Return one number if all are within 2 % of each other, else the lowest and the highest."""
    low, high = min(images), max(images)
    return thousands(low) if high <= 1.02 * low else f"{thousands(low)}–{thousands(high)}"
