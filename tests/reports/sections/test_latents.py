"""Section on the latent space: a gallery for each kind of picture, with captions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from synthetic_results import results, synthetic_runs

from bench.tracking.results import EVIDENCE, LATENT
from reports.document import Gallery
from reports.sections import latents
from reports.view import View, view

TWO = {"b": (10.0, 11.0), "a": (20.0, 21.0)}


def prepared(folder: Path, names: tuple[str, ...], words: object) -> View:
    found = results(synthetic_runs(TWO), folder)
    for run_id in found.runs["run_id"]:
        if not str(run_id):
            continue
        evidence = found.artifact(str(run_id), EVIDENCE)
        if evidence is None:
            continue
        evidence.write_text(json.dumps(json.loads(evidence.read_text()) | {"latent": words}))
        (evidence.parent / LATENT).mkdir(parents=True)
        for name in names:
            Image.fromarray(np.zeros((9, 9), dtype=np.uint8)).save(evidence.parent / LATENT / f"{name}.png")
    return view(found)


def galleries(view: View) -> list[Gallery]:
    section = latents.build(view)
    return [] if section is None else [block for block in section.blocks if isinstance(block, Gallery)]


def test_a_gallery_for_each_kind_and_its_words(tmp_path: Path) -> None:
    words = {"directions": [{"from": "Bag", "to": "Coat", "reached": 0.25}], "arithmetic": [{"of": "Bag", "to": "Coat"}]}
    found = galleries(prepared(tmp_path, ("continuous-1", "arithmetic", "directions"), words))
    assert [gallery.caption for gallery in found[:2]] == [latents.CAPTIONS["directions"], latents.CAPTIONS["arithmetic"]]
    assert [tile.title for tile in found[0].tiles] == ["b", "a"]
    assert [gallery.tiles[0].detail for gallery in found] == ["seed 0; Bag to Coat (25%)", "seed 0; Bag and Coat", "seed 0"]
    assert "continuous 1" in found[2].caption


@pytest.mark.parametrize("words", [None, 3, {"directions": 3}, {"directions": [3]}, {"directions": [{"reached": "all"}]}])
def test_odd_words_are_ignored(tmp_path: Path, words: object) -> None:
    assert galleries(prepared(tmp_path, ("directions",), words))


def test_without_pictures_there_is_no_section(tmp_path: Path) -> None:
    assert latents.build(view(results(synthetic_runs(TWO), tmp_path))) is None
