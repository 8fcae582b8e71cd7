"""Section on modes: modes found, shares of modes and bins, and explanations of the columns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from synthetic_results import KL, SyntheticRun, complete, points, references, results, synthetic_runs

from reports.document import Gallery, Heading, Section, Table, Text
from reports.sections import modes
from reports.view import view

KLS = {"c": (0.1, 0.2, 0.3), "d": (0.5, 0.6, 1.2)}


def built(runs: list[SyntheticRun], folder: Path | None = None) -> Section:
    section = modes.build(view(results(runs, folder)))
    assert section is not None
    return section


def table_of(section: Section) -> Table:
    return next(block for block in section.blocks if isinstance(block, Table))


def titles(table: Table) -> list[str]:
    return [column.title.replace("\N{NO-BREAK SPACE}", " ") for column in table.columns]


def test_points_by_hand(tmp_path: Path) -> None:
    section = built(points(KLS), tmp_path)
    table = table_of(section)
    assert titles(table) == ["", "modes found of 8 ↑", "reverse KL ↓", "high quality ↑"]
    assert [[(cell.text, cell.detail) for cell in row.cells] for row in table.rows] == [
        [("c", ""), ("8", ""), ("0.200", "0.100–0.300"), ("96.0 %", "95.0–97.0 %")],
        [("d", ""), ("7.7", "7–8"), ("0.767", "0.500–1.20"), ("96.0 %", "95.0–97.0 %")],
        [("real", ""), ("8", ""), ("0.0016", ""), ("98.9 %", "")],
        [("untrained", ""), ("0", ""), ("2.10", ""), ("0.0 %", "")],
    ]
    assert "98.89 %" in table.caption
    assert "Bins" not in table.caption


def lead(section: Section) -> str:
    first = section.blocks[0]
    assert isinstance(first, Text)
    assert first.tone == "lead"
    return first.text


def test_the_entries_that_find_all_modes(tmp_path: Path) -> None:
    assert lead(built(points(KLS), tmp_path / "some")).startswith("c finds all 8 modes")
    assert lead(built(points({"d": (0.5, 1.2)}), tmp_path / "none")).startswith("No entry finds all 8 modes")
    assert lead(built(points({"c": (0.1, 0.2), "e": (0.1, 0.3)}), tmp_path / "two")).startswith("c and e find all 8 modes")


def test_without_a_recorded_number_of_modes_there_is_no_lead() -> None:
    section = built(points(KLS))
    assert titles(table_of(section))[1] == "modes found ↑"
    assert not any(isinstance(block, Text) for block in section.blocks)


def test_a_failed_run_does_not_count(tmp_path: Path) -> None:
    failed = SyntheticRun(variant="c", seed=3, status="diverged", headline=KL, columns={"dataset": "ring8", "headline": KL})
    assert lead(built([*points(KLS), failed], tmp_path)).startswith("c finds all 8 modes")


def test_thousands_of_stacked_modes(tmp_path: Path) -> None:
    runs = synthetic_runs({"a": (0.5, 0.7)}, dataset="stacked-fashion", headline=KL)
    stacked = [
        replace(run, headline=KL, metrics={"modes/found": 987.0 + run.seed}, evidence={"modes": {"count": 1000, "found": 987}})
        for run in runs
    ]
    table = table_of(built(stacked, tmp_path))
    assert titles(table) == ["", "modes found of 1,000 ↑", "reverse KL ↓"]
    assert (table.rows[0].cells[1].text, table.rows[0].cells[1].detail) == ("987.5", "987–988")
    assert "98.89" not in table.caption


def test_bins_of_images_beside_their_classes() -> None:
    table = table_of(built(complete([*synthetic_runs({"a": (1.0, 2.0, 3.0)}), *references()])))
    assert titles(table) == ["", "classes covered ↑", "class KL ↓", "NDB/K ↓", "JS of bins ↓", "collapse ↓"]
    assert "Bins" in table.caption
    assert [row.cells[0].text for row in table.rows] == ["a", "real", "untrained"]
    assert [row.cells[-1].text for row in table.rows] == ["0 of 3", "not judged", "not judged"]


def test_no_section_for_runs_older_than_these_metrics() -> None:
    assert modes.build(view(results(synthetic_runs({"a": (1.0, 2.0, 3.0)})))) is None


BINNED = {"bins": {"generated": [0.1, 0.9], "train": [0.4, 0.6]}}


def pictures(section: Section) -> list[tuple[str, Gallery]]:
    """Return each gallery with the heading above it."""
    return [
        (above.text, block)
        for above, block in zip(section.blocks, section.blocks[1:], strict=False)
        if isinstance(above, Heading) and isinstance(block, Gallery)
    ]


def test_the_shares_of_the_modes(tmp_path: Path) -> None:
    ((title, gallery),) = pictures(built(points(KLS), tmp_path))
    assert title == modes.HEADINGS["modes"]
    assert [(tile.title, tile.detail) for tile in gallery.tiles] == [("c", "3 seeds"), ("d", "3 seeds")]
    assert gallery.tiles[0].picture.alt == "c: of 8 modes the largest has 12 %; empty: 0"
    assert "generated points" in gallery.caption


def test_the_shares_of_the_bins_and_an_entry_without_them(tmp_path: Path) -> None:
    runs = [
        replace(run, evidence=BINNED if run.variant == "a" else {"bins": "?"})
        for run in complete(synthetic_runs({"a": (1.0, 2.0), "b": (3.0, 4.0)}))
    ]
    ((title, gallery),) = pictures(built(runs, tmp_path))
    assert title == modes.HEADINGS["bins"]
    assert [(tile.title, tile.detail) for tile in gallery.tiles] == [("a", "2 seeds")]
    assert "bin" in gallery.caption
    assert modes.CLIPPED not in gallery.caption


def test_a_clipped_scale_is_explained(tmp_path: Path) -> None:
    shares = [0.5] + [0.5 / 199] * 199
    runs = [replace(run, evidence={"modes": {"count": 200, "found": 200, "shares": shares}}) for run in points({"c": (0.1,)})]
    ((_, gallery),) = pictures(built(runs, tmp_path))
    assert gallery.caption.endswith(modes.CLIPPED)
    assert "↑ 50 %" in gallery.tiles[0].picture.data.decode()


def test_no_pictures_without_shares() -> None:
    assert pictures(built(points(KLS))) == []
