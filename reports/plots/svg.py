"""SVG for a report: small files, colours by the reader's colour scheme, and a group for each entry that a page can hide."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape, unescape
from typing import TYPE_CHECKING

from reports.palette import DARK, FAINT, INK, PAPER, RULE

if TYPE_CHECKING:
    from matplotlib.artist import Artist

FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
VARIABLES = {colour: f"--c{i}" for i, colour in enumerate((INK, FAINT, RULE, PAPER))}
_ENTRY = "entry-"  # prefix of the id of an entry's group, before the entry's name in hexadecimal digits
_GROUP = re.compile(r' data-entry="([^"]*)"')
STRAIGHT = re.compile(r"[MLz\d. -]*")
_DEFAULT_FONT = "'DejaVu Sans'"  # matplotlib's default font, which determines the size of texts


def mark_entry(entry: str, *artists: Artist) -> None:
    """Mark artists as parts of an entry."""
    for artist in artists:
        artist.set_gid(_ENTRY + entry.encode().hex())


def has_groups(svg: str) -> bool:
    """Return whether an SVG has parts of an entry."""
    return _GROUP.search(svg) is not None


def part_of_page(svg: str, group: Callable[[str], str], number: int) -> str:
    """Return the SVG for embedding in a page, with ids unique to `number`, and the entry's group as `data-entry`."""
    svg = _in_tags(svg, r'(?<= id=")(?=[^"]*")|(?<=url\(#)|(?<=href="#)', f"p{number}-")
    return _GROUP.sub(lambda mark: f' data-entry="{escape(name)}"' if (name := group(unescape(mark[1]))) else "", svg)


def minified(svg: str) -> str:
    """Return matplotlib's SVG in small form, with colours for light and dark pages. No text changes."""
    svg = svg[svg.index("<svg") :]  # without declaration and document type, which UTF-8 does not need
    used = frozenset((*re.findall(r"url\(#([^)]+)\)", svg), *re.findall(r'href="#([^"]+)"', svg)))
    svg = re.sub(r"<[^>]*>", lambda tag: _tag(tag[0], used), svg)
    svg = re.sub(r">\s+<", "><", svg.strip()).replace("<g></g>", "")
    svg = follow_scheme(svg, f"text{{font-family:{FONTS}}}")
    return re.sub(rf'<g id="{_ENTRY}([0-9a-f]*)">', lambda mark: f'<g data-entry="{escape(bytes.fromhex(mark[1]).decode())}">', svg)


def _tag(tag: str, used: frozenset[str]) -> str:
    """Return a tag with one decimal for each coordinate and the reader's fonts.

    The tag has an id only if another tag refers to it, because ids are unique in a page."""
    tag = re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used or found[1].startswith(_ENTRY) else "", tag)
    tag = re.sub(r' d="([^"]*)"', lambda path: f' d="{_path(path[1])}"', tag)
    tag = re.sub(r'(?<= [xy]=")-?\d+\.\d+(?=")', _rounded, tag)
    tag = re.sub(r' transform="rotate\(-?0 [^"]*\)"', "", tag)
    return re.sub(rf"font-family: {_DEFAULT_FONT};? ?", "", tag)


def follow_scheme(svg: str, style: str = "") -> str:
    """Return an SVG whose ink and paper are variables, with other values for readers who prefer a dark page."""
    for colour, variable in VARIABLES.items():
        svg = _in_tags(svg, rf"(fill|stroke|stop-color): {colour}", rf"\1: var({variable})")
    light = "".join(f"{variable}:{colour};" for colour, variable in VARIABLES.items())
    dark = "".join(f"{variable}:{DARK[colour]};" for colour, variable in VARIABLES.items())
    sheet = f"<style>{style}:root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}</style>"
    return re.sub(r"(<svg [^>]*>)", lambda tag: tag[1] + sheet, svg, count=1)


def _rounded(number: re.Match[str]) -> str:
    return f"{float(number[0]):.1f}".removesuffix(".0")


def _in_tags(svg: str, pattern: str, instead: str) -> str:
    """Replace a pattern in tags, not in text."""
    return re.sub(r"<[^>]*>", lambda tag: re.sub(pattern, instead, tag[0]), svg)


def _path(steps: str) -> str:
    """Return a path on one line with one decimal for each coordinate. Straight lines are points only, because SVG joins consecutive points by lines."""
    path = " ".join(re.sub(r"-?\d+\.\d+", _rounded, steps).split())
    return re.sub(r" ?([MLz]) ?", lambda step: " " if step[1] == "L" else step[1], path) if STRAIGHT.fullmatch(path) else path
