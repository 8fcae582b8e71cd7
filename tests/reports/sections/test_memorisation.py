"""Section on memorisation: metrics of copies, and pictures of the closest pairs."""

from __future__ import annotations

from pathlib import Path

from synthetic_results import SyntheticRun, complete, points, references, results, synthetic_runs

from bench.tracking.results import NEAREST
from reports.document import Gallery, Section, Table
from reports.sections import memorisation
from reports.view import view

TWO = {"a": (10.0, 11.0, 12.0), "b": (20.0, 21.0, 22.0)}


def built(runs: list[SyntheticRun], folder: Path | None = None, missing: tuple[str, ...] = ()) -> Section:
    found = results(runs, folder)
    for path in missing:
        assert folder is not None
        (folder / path).unlink()
    section = memorisation.build(view(found))
    assert section is not None
    return section


def test_metrics_with_the_values_of_copies() -> None:
    (table,) = built(complete([*synthetic_runs(TWO), *references()])).blocks
    assert isinstance(table, Table)
    assert [column.title for column in table.columns] == ["", "authenticity", "C_T"]
    rows = {row.cells[0].text: row for row in table.rows}
    assert [cell.text for cell in rows["real"].cells] == ["real", "0", "−31.0"]
    assert all(cell.detail.startswith("± ") for cell in rows["a"].cells[1:])
    assert all(cell.detail == "" for cell in rows["real"].cells)
    assert memorisation.READING in table.caption
    assert "±" in table.caption


def test_without_errors_the_caption_does_not_mention_them() -> None:
    runs = [SyntheticRun(variant="a", fid=1.0, metrics={"memorisation/authenticity": 0.5})]
    (table,) = built(runs).blocks
    assert isinstance(table, Table)
    assert "±" not in table.caption
    assert [column.title for column in table.columns] == ["", "authenticity"]


def test_the_closest_pairs_of_the_first_seed_that_has_them(tmp_path: Path) -> None:
    section = built(complete([*synthetic_runs(TWO), *references()]), tmp_path, missing=(f"0/{NEAREST}",))
    gallery = section.blocks[-1]
    assert isinstance(gallery, Gallery)
    assert [(tile.title, tile.detail) for tile in gallery.tiles] == [("a", "seed 1"), ("b", "seed 0")]


def test_no_section_for_points_or_older_runs() -> None:
    assert memorisation.build(view(results(points({"c": (0.1, 0.2)})))) is None
    assert memorisation.build(view(results(synthetic_runs(TWO)))) is None
