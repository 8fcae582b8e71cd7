"""Modes found, how evenly, and the bins, with what a reader must know of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from synthetic_results import KL, Made, complete, made, points, references, results

from reports.document import Gallery, Heading, Section, Table, Text
from reports.sections import modes
from reports.view import view

KLS = {"c": (0.1, 0.2, 0.3), "d": (0.5, 0.6, 1.2)}


def built(runs: list[Made], folder: Path | None = None) -> Section:
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
    assert "collapse inside the modes" in table.caption
    assert "Bins" not in table.caption


def test_who_finds_all_modes(tmp_path: Path) -> None:
    assert built(points(KLS), tmp_path / "some").blocks[0] == Text(text="All 8 modes are found in every finished run by c.", tone="lead")
    none = built(points({"d": (0.5, 1.2)}), tmp_path / "none").blocks[0]
    assert none == Text(text="No entry finds all 8 modes in every finished run.", tone="lead")


def test_without_a_recorded_number_of_modes_nothing_is_said_of_all() -> None:
    section = built(points(KLS))
    assert titles(table_of(section))[1] == "modes found ↑"
    assert not any(isinstance(block, Text) for block in section.blocks)


def test_a_failed_run_finds_nothing_and_is_no_figure(tmp_path: Path) -> None:
    failed = Made(variant="c", seed=3, status="diverged", headline=KL, columns={"dataset": "ring8", "headline": KL})
    assert built([*points(KLS), failed], tmp_path).blocks[0] == Text(text="All 8 modes are found in every finished run by c.", tone="lead")


def test_thousands_of_stacked_modes(tmp_path: Path) -> None:
    runs = made({"a": (0.5, 0.7)}, dataset="stacked-fashion", headline=KL)
    stacked = [
        replace(run, headline=KL, metrics={"modes/found": 987.0 + run.seed}, evidence={"modes": {"count": 1000, "found": 987}})
        for run in runs
    ]
    table = table_of(built(stacked, tmp_path))
    assert titles(table) == ["", "modes found of 1,000 ↑", "reverse KL ↓"]
    assert (table.rows[0].cells[1].text, table.rows[0].cells[1].detail) == ("987.5", "987–988")
    assert "98.89" not in table.caption


def test_bins_of_images_beside_their_classes() -> None:
    table = table_of(built(complete([*made({"a": (1.0, 2.0, 3.0)}), *references()])))
    assert titles(table) == ["", "classes covered ↑", "class KL ↓", "NDB/K ↓", "JS of bins ↓", "collapse ↓"]
    assert "real images fill about 5 % of them significantly differently" in table.caption
    assert [row.cells[0].text for row in table.rows] == ["a", "real", "untrained"]
    assert [row.cells[-1].text for row in table.rows] == ["0 of 3", "not judged", "not judged"]


def test_no_section_for_runs_older_than_these_metrics() -> None:
    assert modes.build(view(results(made({"a": (1.0, 2.0, 3.0)})))) is None


BINNED = {"bins": {"generated": [0.1, 0.9], "train": [0.4, 0.6]}}


def pictures(section: Section) -> list[tuple[str, Gallery]]:
    """Each gallery and the heading above it."""
    return [
        (above.text, block)
        for above, block in zip(section.blocks, section.blocks[1:], strict=False)
        if isinstance(above, Heading) and isinstance(block, Gallery)
    ]


def test_how_the_modes_are_filled(tmp_path: Path) -> None:
    ((title, gallery),) = pictures(built(points(KLS), tmp_path))
    assert title == "How the modes are filled"
    assert [(tile.title, tile.detail) for tile in gallery.tiles] == [("c", "3 seeds"), ("d", "3 seeds")]
    assert gallery.tiles[0].picture.alt == "c: of 8 modes the fullest has 12 %; empty: 0"
    assert gallery.caption == (
        "Filled: the share of generated points nearest to each mode, the mean over seeds; line: an equal share. Modes as the data has them."
    )


def test_how_the_bins_are_filled_and_an_entry_without_them(tmp_path: Path) -> None:
    runs = [
        replace(run, evidence=BINNED if run.variant == "a" else {"bins": "?"}) for run in complete(made({"a": (1.0, 2.0), "b": (3.0, 4.0)}))
    ]
    ((title, gallery),) = pictures(built(runs, tmp_path))
    assert title == "How the bins are filled (NDB)"
    assert [(tile.title, tile.detail) for tile in gallery.tiles] == [("a", "2 seeds")]
    assert "fullest bin first" in gallery.caption
    assert "scale ends" not in gallery.caption


def test_a_clipped_scale_is_said(tmp_path: Path) -> None:
    shares = [0.5] + [0.5 / 199] * 199
    runs = [replace(run, evidence={"modes": {"count": 200, "found": 200, "shares": shares}}) for run in points({"c": (0.1,)})]
    ((_, gallery),) = pictures(built(runs, tmp_path))
    assert gallery.caption.endswith(
        "Modes the most filled first, where there are over 100. The scale ends at 6 times the largest share of the line; "
        "a larger one is written where it is cut."
    )
    assert "↑ 50 %" in gallery.tiles[0].picture.data.decode()


def test_no_pictures_without_shares() -> None:
    assert pictures(built(points(KLS))) == []
