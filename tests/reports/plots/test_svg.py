"""Small SVG that keeps what was drawn: text to the letter, numbers to two decimals, each entry in a group of its own."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest
from matplotlib.axes import Axes

from reports.palette import INK
from reports.plots import base
from reports.plots.svg import belongs, finished, has_groups, regrouped

SPACE = "{http://www.w3.org/2000/svg}"


def drawn(name: str, *, whose: bool = True) -> str:
    with base.axes(3, 2) as ax:
        line = ax.plot([0, 1, 2], [0.123456, 1, 0.5], color="#2662fe")
        if whose:
            belongs(name, *line, _label(ax, name))
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
def test_text_and_owner_are_kept_to_the_letter(name: str) -> None:
    root = ElementTree.fromstring(drawn(name))
    owned = [element for element in root.iter(f"{SPACE}g") if "data-entry" in element.attrib]
    assert [element.attrib["data-entry"] for element in owned] == [name, name]
    assert [text.text for element in owned for text in element.iter(f"{SPACE}text")] == [name]
    assert len([path for element in owned for path in element.iter(f"{SPACE}path")]) == 1


def test_what_nobody_owns_has_no_group() -> None:
    assert not has_groups(drawn("a", whose=False))
    assert has_groups(drawn("a"))
    with base.axes(3, 2) as ax:
        assert not base.picture(ax, "words").grouped
    with base.axes(3, 2) as ax:
        belongs("a", *ax.plot([0, 1], [0, 1]))
        assert base.picture(ax, "words").grouped


def test_groups_are_renamed() -> None:
    svg = regrouped(drawn('a "b" (tuned)'), lambda entry: entry.removesuffix(" (tuned)") + "<")
    owners = [element.attrib["data-entry"] for element in ElementTree.fromstring(svg).iter() if "data-entry" in element.attrib]
    assert owners == ['a "b"<', 'a "b"<']


def test_only_ids_that_something_refers_to_are_left_and_all_of_those() -> None:
    svg = drawn("a")
    ids, used = re.findall(r' id="([^"]*)"', svg), {*re.findall(r"url\(#([^)]+)\)", svg), *re.findall(r'href="#([^"]+)"', svg)}
    assert used
    assert set(ids) == used
    assert len(ids) == len(set(ids))


def test_two_decimals_a_coordinate_and_no_blank_between_tags() -> None:
    svg = drawn("a")
    path = next(element for element in ElementTree.fromstring(svg).iter(f"{SPACE}path") if "#2662fe" in element.attrib.get("style", ""))
    numbers = re.findall(r"-?\d+\.\d+", path.attrib["d"])
    assert len(numbers) == 6
    assert all(len(number.split(".")[1]) == 2 for number in numbers)
    assert not re.search(r">\s+<", svg)
    assert svg.startswith("<svg")


def test_it_is_much_smaller() -> None:
    raw = '<?xml version="1.0"?>\n<svg xmlns="x">\n <g id="a_1">\n  <path d="M 1.234567 2.345678 \nL 3 4 \n"/>\n </g>\n</svg>\n'
    assert finished(raw).split("</style>")[1] == '<g><path d="M 1.23 2.34 L 3 4"/></g></svg>'
