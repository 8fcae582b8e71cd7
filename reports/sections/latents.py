"""Section on the latent space: changes of class, code and style, class directions, latent arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from bench.tracking.results import EVIDENCE, LATENT
from reports.cohort import Cohort, CohortEntry, seed_words
from reports.document import Block, Gallery, Section, Tile
from reports.sections.common import WIDE_TILE, by_cohort, first_seed_with, png
from reports.view import View

TITLE = "Latent space"
DIRECTIONS, ARITHMETIC = "directions", "arithmetic"
CAPTIONS = {
    DIRECTIONS: "Class directions: each row moves one latent along the direction from the mean latent of one class to that of another. "
    "The share is that of all latents of the first class that the classifier then assigns to the second class.",
    ARITHMETIC: "Latent arithmetic: bright and dark images of a class, dark images of another class, and bright - dark + dark of the other class. "
    "If the arithmetic holds, the last are bright images of the other class. Each image is of a mean latent.",
    "classes": "Every class from the same z, in the order of the data's classes, for four z.",
    "code": "Every value of the categorical code from the same z, for four z. The model learned the meaning of a value without labels.",
    "styles": "Mixed styles: each row has the coarse layers of one latent, each column the fine layers of another.",
}
OTHER = "The same latents with one part of them varied over its range: {name}."


def build(view: View) -> Section | None:
    """Return a gallery for each kind of picture, or None if no run recorded any."""
    blocks = by_cohort(view, lambda cohort: _blocks(cohort, view))
    return Section(id="latents", title=TITLE, blocks=blocks) if blocks else None


def _blocks(cohort: Cohort, view: View) -> list[Block]:
    kinds: dict[str, list[Tile]] = {}
    for entry in cohort.entries:
        for path in _pictures(entry, view):
            tile = _tile(entry, path, view)
            if tile is not None:
                kinds.setdefault(PurePosixPath(path).stem, []).append(tile)
    known = [*(name for name in CAPTIONS if name in kinds), *sorted(name for name in kinds if name not in CAPTIONS)]
    return [
        Gallery(
            id=f"latent-{index}-{cohort.index}",
            caption=CAPTIONS.get(name) or OTHER.format(name=name.replace("-", " ")),
            tiles=tuple(kinds[name]),
            tile_width=WIDE_TILE,
        )
        for index, name in enumerate(known)
    ]


def _pictures(entry: CohortEntry, view: View) -> list[str]:
    """Return the pictures of the first run of an entry that has any."""
    for run_id in entry.runs["run_id"]:
        if found := [path for path in view.results.names(str(run_id), LATENT) if path.endswith(".png")]:
            return found
    return []


def _tile(entry: CohortEntry, path: str, view: View) -> Tile | None:
    found = first_seed_with(view.results, entry, path)
    if found is None:
        return None
    run_id, seed = found
    name = PurePosixPath(path).stem
    picture = png(view.results, run_id, path, f"{name} of the latent space of {entry.name}")
    if picture is None:
        return None
    words = _words(name, view.results.read_json(run_id, EVIDENCE) or {})
    return Tile(
        title=entry.name, colour=view.palette[entry.name].colour, picture=picture, detail="; ".join([seed_words(seed), *([words] if words else [])])
    )  # fmt: skip


def _words(name: str, evidence: Mapping[str, Any]) -> str:
    """Return the content of the rows of a picture, if the run recorded it."""
    latent = evidence.get("latent")
    rows = latent.get(name) if isinstance(latent, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return ""
    if name == DIRECTIONS:
        return ", ".join(f"{row.get('from')} to {row.get('to')} ({_share(row.get('reached'))})" for row in rows)
    return ", ".join(f"{row.get('of')} and {row.get('to')}" for row in rows) if name == ARITHMETIC else ""


def _share(value: object) -> str:
    return f"{value:.0%}" if isinstance(value, float) and 0 <= value <= 1 else "–"
