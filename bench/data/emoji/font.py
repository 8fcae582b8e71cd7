"""Reader of a colour font whose pictures are PNG files in its table CBDT, as in Noto Color Emoji."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.data.emoji.families import COMPONENTS, Sequence


@dataclass(frozen=True, kw_only=True)
class Emoji:
    """Record of one emoji: its code points and its picture."""

    sequence: Sequence
    png: bytes


def read_font(content: bytes) -> tuple[Emoji, ...]:
    """Return the emoji of a font with distinct pictures, sorted by code points. Of equal pictures, it returns the first one.

    Leaves out parts of emoji, such as skin tones and the letters of flags.
    """
    from fontTools.ttLib import TTFont

    font = TTFont(io.BytesIO(content), lazy=True)
    (strike,) = font["CBDT"].strikeData
    sequences = _sequences(font)
    found = sorted((sequences[glyph], strike[glyph].imageData) for glyph in strike if glyph in sequences)
    unique: dict[bytes, Sequence] = {}
    for sequence, png in found:
        if len(sequence) > 1 or sequence[0] not in COMPONENTS:
            unique.setdefault(png, sequence)
    return tuple(Emoji(sequence=sequence, png=png) for png, sequence in unique.items())


def _sequences(font: Any) -> Mapping[str, Sequence]:
    """Return the code points of each glyph: those of its ligature, else its one code point. Of several, it takes the smallest."""
    points: dict[str, int] = {}
    for point, glyph in sorted(font.getBestCmap().items(), reverse=True):
        points[glyph] = point
    found: dict[str, Sequence] = {glyph: (point,) for glyph, point in points.items()}
    ligatures: dict[str, list[Sequence]] = {}
    for lookup in font["GSUB"].table.LookupList.Lookup:
        for table in lookup.SubTable:
            if table.LookupType == 4:
                for first, alternatives in table.ligatures.items():
                    for ligature in alternatives:
                        parts = (first, *ligature.Component)
                        if all(part in points for part in parts):
                            ligatures.setdefault(ligature.LigGlyph, []).append(tuple(points[part] for part in parts))
    return found | {glyph: min(alternatives) for glyph, alternatives in ligatures.items()}
