"""Minified SVG: unchanged text, numbers with one decimal, and a group for each entry."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from matplotlib.axes import Axes

from reports.palette import INK
from reports.plots import base
from reports.plots.svg import has_groups, mark_entry, minified, part_of_page

SPACE = "{http://www.w3.org/2000/svg}"


def plot_svg(name: str, *, whose: bool = True) -> str:
    with base.axes(3, 2) as ax:
        line = ax.plot([0, 1, 2], [0.123456, 1, 0.5], color="#2662fe")
        if whose:
            mark_entry(name, *line, _label(ax, name))
        return base.picture(ax, "words").data.decode()


def _label(ax: Axes, text: str):  # type: ignore[no-untyped-def]
    return ax.text(0.5, 0.5, text, parse_math=False)


@pytest.mark.parametrize(
    "name",
    [
        "dcgan (tuned)",
        'a "b" <c> & d',
        "'",
        'x d="M 1.23456 2" id="q"',
        f"fill: {INK}",
        "font-family: 'DejaVu Sans'; x",
        "猫",
        '"/><script>x</script>',
    ],
)
def test_text_and_entry_are_unchanged(name: str) -> None:
    root = ElementTree.fromstring(plot_svg(name))
    owned = [element for element in root.iter(f"{SPACE}g") if "data-entry" in element.attrib]
    assert [element.attrib["data-entry"] for element in owned] == [name, name]
    assert [text.text for element in owned for text in element.iter(f"{SPACE}text")] == [name]
    assert len([path for element in owned for path in element.iter(f"{SPACE}path")]) == 1


def test_parts_of_no_entry_have_no_group() -> None:
    assert not has_groups(plot_svg("a", whose=False))
    assert has_groups(plot_svg("a"))
    with base.axes(3, 2) as ax:
        assert not base.picture(ax, "words").grouped
    with base.axes(3, 2) as ax:
        mark_entry("a", *ax.plot([0, 1], [0, 1]))
        assert base.picture(ax, "words").grouped


def test_groups_are_renamed_and_ids_are_its_own() -> None:
    original = plot_svg('a "b" (tuned)')
    svg = part_of_page(original, lambda entry: entry.removesuffix(" (tuned)") + "<", 7)
    ids, used = re.findall(r' id="([^"]*)"', svg), {*re.findall(r"url\(#([^)]+)\)", svg), *re.findall(r'href="#([^"]+)"', svg)}
    assert set(ids) == used == {f"p7-{name}" for name in re.findall(r' id="([^"]*)"', original)}
    owners = [element.attrib["data-entry"] for element in ElementTree.fromstring(svg).iter() if "data-entry" in element.attrib]
    assert owners == ['a "b"<', 'a "b"<']


def test_exactly_the_ids_that_something_refers_to_stay() -> None:
    svg = plot_svg("a")
    ids, used = re.findall(r' id="([^"]*)"', svg), {*re.findall(r"url\(#([^)]+)\)", svg), *re.findall(r'href="#([^"]+)"', svg)}
    assert used
    assert set(ids) == used
    assert len(ids) == len(set(ids))


def points(path: str) -> list[float]:
    """Return the coordinates of a path."""
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", path)]


def test_every_path_and_every_word_stays_to_a_tenth_of_a_point_in_fewer_bytes() -> None:
    buffer = io.StringIO()
    with base.axes(3, 2) as ax:
        ax.plot(np.linspace(0, 1, 50), np.random.default_rng(0).normal(size=50))
        ax.legend(ax.plot([0, 1], [np.pi, 2]), ["a curved box"])
        base.figure_of(ax).savefig(buffer, format="svg", metadata={"Date": None})
    before, small = buffer.getvalue(), minified(buffer.getvalue())
    assert len(small) < 0.7 * len(before)
    assert not re.search(r">\s+<", small)
    assert small.startswith("<svg")
    one, two = ElementTree.fromstring(before), ElementTree.fromstring(small)
    for tag, coordinates in (("path", lambda element: points(element.attrib["d"])), ("use", xy), ("text", xy)):
        pairs = list(zip(one.iter(SPACE + tag), two.iter(SPACE + tag), strict=True))
        assert len(pairs) > 2
        for was, now in pairs:
            assert coordinates(now) == pytest.approx(coordinates(was), abs=0.0501)
            assert was.text == now.text


def xy(element: ElementTree.Element) -> list[float]:
    """Return the position of an element."""
    return [float(element.attrib.get(name, 0)) for name in ("x", "y")]


@pytest.mark.parametrize(
    ("path", "short"),
    [
        ("M 1.2345 2 \nL 3.456 4 \nM 5 6 \nL 7.01 8 \nz\n", "M1.2 2 3.5 4M5 6 7 8z"),
        ("M 1.25 2 \nC 3.19 4 5 6 7 8 \nL 9 -10.04 \n", "M 1.2 2 C 3.2 4 5 6 7 8 L 9 -10"),
    ],
)
def test_straight_lines_are_points_and_curves_keep_their_commands(path: str, short: str) -> None:
    text = minified(f'<?xml version="1.0"?>\n<svg xmlns="x">\n <g id="a_1">\n  <path d="{path}"/>\n </g>\n</svg>\n')
    assert text.split("</style>")[1] == f'<g><path d="{short}"/></g></svg>'
