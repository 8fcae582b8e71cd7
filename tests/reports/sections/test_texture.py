"""Section on texture: a table, and the spectrum of each entry that recorded one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from synthetic_results import complete, points, references, results, synthetic_runs

from bench.metrics.columns import SPECTRUM
from reports.document import Gallery, Table
from reports.sections import texture
from reports.view import view

SPECTRA = {"spectrum": {"generated": [90.0, 30.0, 4.0], "real": [100.0, 10.0, 1.0]}}


def test_a_table_and_a_curve_for_each_entry_with_a_spectrum(tmp_path: Path) -> None:
    runs = [
        replace(run, evidence=SPECTRA if run.variant == "a" else {"spectrum": "?"}, metrics={SPECTRUM: run.fid / 10})
        for run in complete(synthetic_runs({"a": (1.0, 2.0), "b": (3.0, 4.0)}))
    ]
    section = texture.build(view(results([*runs, *references()], tmp_path)))
    assert section is not None
    table, gallery = section.blocks
    assert isinstance(table, Table)
    assert isinstance(gallery, Gallery)
    assert [row.cells[0].text for row in table.rows] == ["a", "b", "real", "untrained"]
    assert (table.rows[0].cells[1].text, table.rows[0].cells[1].detail) == ("0.150", "0.100–0.200")
    assert [tile.title for tile in gallery.tiles] == ["a"]
    assert gallery.tiles[0].picture.alt == "a: furthest from real images at 3 cycles, with 4 times their power"


def test_no_section_for_points_and_for_runs_without_spectra(tmp_path: Path) -> None:
    assert texture.build(view(results(points({"c": (0.1,)}), tmp_path / "points"))) is None
    assert texture.build(view(results(synthetic_runs({"a": (1.0,)}), tmp_path / "images"))) is None
