"""Helpers of several sections: cells that name an entry, blocks by cohort, pictures from artifacts."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Sequence
from itertools import chain

import numpy as np
from PIL import Image

from bench.tracking.results import Results
from reports.cohort import Cohort, CohortEntry, seed_words
from reports.document import Block, Cell, Gallery, Heading, Picture, Tile
from reports.palette import Palette
from reports.view import View

log = logging.getLogger(__name__)
COARSE = 120  # pixels; renderers enlarge pictures up to this size without smoothing
WIDE_TILE = 270  # pixels
MAX_SIDE = 1600  # pixels; the report omits larger pictures


def name_cell(name: str, palette: Palette, mark: str = "") -> Cell:
    """Return the cell that names an entry, in its colour."""
    return Cell(text=name, tone="strong", colour=palette[name].colour, mark=mark)


def by_cohort(view: View, blocks: Callable[[Cohort], Sequence[Block]]) -> tuple[Block, ...]:
    """Return the blocks of every cohort, below its title if there are several. Leave out a cohort without blocks."""
    found = [(cohort, blocks(cohort)) for cohort in view.cohorts]
    return tuple(chain.from_iterable((*_heading(cohort), *content) for cohort, content in found if content))


def _heading(cohort: Cohort) -> tuple[Block, ...]:
    return (Heading(text=cohort.title),) if cohort.title else ()


def first_seed_with(results: Results, entry: CohortEntry, path: str) -> tuple[str, int] | None:
    """Return run id and seed of the run with the lowest seed that has an artifact."""
    for run_id, seed in zip(entry.runs["run_id"], entry.runs["seed"], strict=True):
        if results.artifact(run_id, path) is not None:
            return str(run_id), int(seed)
    return None


def gallery(cohort: Cohort, view: View, path: str, *, name: str, alt: str, caption: str) -> list[Block]:
    """Return a gallery of a picture artifact, with that of each entry's lowest seed. The list is empty without a picture.

    Each alternative text is `alt` and the entry's name."""
    tiles = []
    for entry in cohort.entries:
        found = first_seed_with(view.results, entry, path)
        picture = None if found is None else png(view.results, found[0], path, f"{alt} {entry.name}")
        if found is not None and picture is not None:
            tiles.append(Tile(title=entry.name, colour=view.palette[entry.name].colour, picture=picture, detail=seed_words(found[1])))
    return [Gallery(id=f"{name}-{cohort.index}", caption=caption, tiles=tuple(tiles), tile_width=WIDE_TILE)] if tiles else []


def png(results: Results, run_id: str, path: str, alt: str) -> Picture | None:
    """Return a picture artifact without enlargement of its pixels, or None if it is missing or damaged."""
    pixels = pixels_of(results, run_id, path)
    return None if pixels is None else picture_of(pixels, alt)


def pixels_of(results: Results, run_id: str, path: str) -> np.ndarray | None:
    """Return the pixels [H, W] or [H, W, 3] of a picture artifact without their enlargement, or None if it is missing or damaged."""
    content = results.read(run_id, path)
    if content is None:
        return None
    try:
        with Image.open(io.BytesIO(content)) as image:
            if max(image.size) > MAX_SIDE:
                raise ValueError(f"{image.size[0]} x {image.size[1]} pixels are too many")
            pixels = np.asarray(image.convert("L" if image.mode in ("1", "L", "I;16") else "RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:  # Pillow calls a broken PNG a SyntaxError
        log.warning("skipping the picture %s of run %s: %s", path, run_id, error)
        return None
    return unscaled(pixels)


def picture_of(pixels: np.ndarray, alt: str) -> Picture:
    """Return pixels as a PNG."""
    return Picture(data=_encoded(pixels), media="image/png", alt=alt, pixelated=max(pixels.shape) <= COARSE)


def unscaled(pixels: np.ndarray) -> np.ndarray:
    """Return the smallest picture [H, W] or [H, W, 3] of which this one is an enlargement by squares. Grey colours become greyscale."""
    if pixels.ndim == 3 and (pixels == pixels[..., :1]).all():
        pixels = pixels[..., 0]
    for factor in range(min(16, *pixels.shape[:2]), 1, -1):
        small = pixels[::factor, ::factor]
        if pixels.shape[0] % factor == pixels.shape[1] % factor == 0 and (small.repeat(factor, 0).repeat(factor, 1) == pixels).all():
            return small
    return pixels


def _encoded(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    _compact(Image.fromarray(np.ascontiguousarray(pixels))).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _compact(image: Image.Image) -> Image.Image:
    """Return a drawing in few colours with a palette, which takes fewer bytes, and another picture unchanged. No pixel changes."""
    if image.mode != "RGB" or image.getcolors(256) is None:
        return image
    small = image.quantize(256, dither=Image.Dither.NONE)
    return small if np.array_equal(np.asarray(small.convert("RGB")), np.asarray(image)) else image
