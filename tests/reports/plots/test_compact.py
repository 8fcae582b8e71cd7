"""Smaller pictures that show the same."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from synthetic_results import Made, results

from reports.document import Picture
from reports.palette import Style
from reports.plots import base
from reports.plots.compact import compact
from reports.plots.training import LOSSES, alt, draw, training_data
from reports.view import view

SVG = "{http://www.w3.org/2000/svg}"


def points(path: str) -> np.ndarray:
    """The corners of a path of straight lines [n, 2]."""
    return np.array(re.findall(r"-?\d+(?:\.\d+)?", path), dtype=float).reshape(-1, 2)


@pytest.fixture(scope="module")
def panel() -> Picture:
    found = results([Made(variant="a", seed=seed, fid=1.0) for seed in range(3)])
    cohort = view(found).cohorts[0]
    data = training_data(found.curves, cohort.runs, LOSSES, cohort.length)
    with base.axes(3.4, 2.3) as ax:
        draw(ax, data, Style(colour="#112233"), LOSSES)
        return base.picture(ax, alt("a", data, LOSSES))


def test_every_element_stays_and_every_point_to_a_tenth(panel: Picture) -> None:
    small = compact(panel)
    assert len(small.data) < 0.8 * len(panel.data)
    assert small.alt == panel.alt
    before, after = (list(ET.fromstring(picture.data).iter()) for picture in (panel, small))
    assert [element.tag for element in before] == [element.tag for element in after]
    assert [(element.text or "").strip() for element in before] == [(element.text or "").strip() for element in after]
    for one, two in zip(before, after, strict=True):
        if one.tag == f"{SVG}path":
            np.testing.assert_allclose(points(two.attrib["d"]), points(one.attrib["d"]), atol=0.1001)
            assert one.attrib["style"] == two.attrib["style"]
        elif one.tag in (f"{SVG}use", f"{SVG}text") and "x" in one.attrib:
            assert float(two.attrib["x"]) == pytest.approx(float(one.attrib["x"]), abs=0.1001)


def of(body: str) -> str:
    return compact(Picture(data=body.encode(), media="image/svg+xml", alt="")).data.decode()


def test_curves_keep_their_commands() -> None:
    assert of('<path d="M 1.25 2 \nC 3.19 4 5 6 7 8 \nL 9 10 \n"/>') == '<path d="M 1.2 2 \nC 3.1 4 5 6 7 8 \nL 9 10 \n"/>'


def test_straight_lines_with_gaps_and_ends() -> None:
    assert of('<path d="M 1 2 \nL 3.456 4 \nM 5 6 \nL 7 8 \nz\n"/>') == '<path d="M 1 2 3.4 4M 5 6 7 8z"/>'


def test_words_stay_as_they_are() -> None:
    name = 'd="M 1.234 5.678" x="1.2345" 0.123 \nL 5'
    assert of(f'<text x="1.234">{name}</text>\n <g/>') == f'<text x="1.2">{name}</text><g/>'
