"""Pictures of curves in fewer bytes, for pages with dozens of them: what is drawn stays the same to a tenth of a point."""

from __future__ import annotations

import re
from dataclasses import replace

from reports.document import Picture

DRAWING = re.compile(r"<(?:path|use|text) [^>]*>")  # of text only the tag: words stay as they are
STRAIGHT = re.compile(r"[MLz\d.\s-]*")


def compact(picture: Picture) -> Picture:
    """An SVG of `reports.plots.base.picture` with one decimal a coordinate, straight lines without their commands, and no blanks between elements."""
    svg = DRAWING.sub(lambda tag: _shorter(tag[0]), picture.data.decode())
    return replace(picture, data=re.sub(r">\s+<", "><", svg).encode())


def _shorter(tag: str) -> str:
    tag = re.sub(r' transform="rotate\(-?0 [^)]*\)"', "", tag)
    tag = re.sub(r' ([xy])="(-?\d+\.\d)\d*"', r' \1="\2"', tag)
    return re.sub(r' d="([^"]*)"', lambda path: f' d="{_joined(path[1])}"', tag)


def _joined(path: str) -> str:
    """A path of straight lines as its points alone: without a command, a point after another is joined to it by a straight line."""
    path = re.sub(r"(\.\d)\d+", r"\1", path)
    if not STRAIGHT.fullmatch(path):
        return path
    return re.sub(r"\s*\n(?=M|z)", "", re.sub(r"\s*\nL ", " ", path)).strip()
