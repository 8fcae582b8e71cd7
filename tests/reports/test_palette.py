"""Colours of the palette: differences for each kind of colour vision, and contrast to both backgrounds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from bench.core.colours import COLOURS
from reports.palette import DARK, PAPER, REFERENCES, palette

# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB.
EYES = {
    "normal": np.eye(3),
    "protanopia": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    "deuteranopia": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
}


def linear(colour: str) -> np.ndarray:
    channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def oklab(rgb: np.ndarray) -> np.ndarray:
    """Return a linear RGB colour in Oklab (Ottosson 2020), times 100."""
    to_lms = np.array(
        [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566], [0.0883024619, 0.2817188376, 0.6299787005]]
    )
    to_lab = np.array(
        [[0.2104542553, 0.793617785, -0.0040720468], [1.9779984951, -2.428592205, 0.4505937099], [0.0259040371, 0.7827717662, -0.808675766]]
    )
    return 100 * to_lab @ np.cbrt(to_lms @ np.clip(rgb, 0, 1))


def luminance(colour: str) -> float:
    return float(linear(colour) @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize(("eye", "least"), [("normal", 15.0), ("protanopia", 6.5), ("deuteranopia", 6.5)])
def test_every_two_colours_differ(eye: str, least: float) -> None:
    colours = [oklab(EYES[eye] @ linear(colour)) for colour in COLOURS]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(colours, 2)) >= least


@pytest.mark.parametrize("paper", [PAPER, DARK[PAPER]])
def test_every_colour_stands_out(paper: str) -> None:
    """Every colour has a contrast (WCAG 2) of about 3 : 1, which markers and lines need."""
    for colour in COLOURS:
        bright, dark = sorted((luminance(colour), luminance(paper)), reverse=True)
        assert (bright + 0.05) / (dark + 0.05) >= 2.75, colour


def test_styles_follow_names_not_their_order() -> None:
    names = [f"variant-{i:02d}" for i in range(30)]
    assert palette(names) == palette(reversed(names))
    looks = [(style.colour, style.dash, style.marker) for name, style in palette(names).items() if name not in REFERENCES]
    assert len(set(looks)) == 30


def test_references_are_set_apart() -> None:
    styles = palette(["a", "real"])
    assert styles["real"] == styles["untrained"]
    assert styles["real"].colour not in COLOURS
