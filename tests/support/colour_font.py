"""A small colour font with pictures in its table CBDT, so that tests need neither the package of the emoji nor a network."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from fontTools.fontBuilder import FontBuilder
from fontTools.ttLib import newTable
from fontTools.ttLib.tables.BitmapGlyphMetrics import SmallGlyphMetrics
from fontTools.ttLib.tables.C_B_D_T_ import cbdt_bitmap_format_17
from fontTools.ttLib.tables.E_B_L_C_ import BitmapSizeTable, SbitLineMetrics, Strike, eblc_index_sub_table_1

_LINE = (
    "ascender descender widthMax caretSlopeNumerator caretSlopeDenominator caretOffset minOriginSB minAdvanceSB maxBeforeBL minAfterBL "
    "pad1 pad2"
)


def colour_font(pictures: Mapping[str, bytes]) -> bytes:
    """Return a font with a picture for each text. A text of several characters is a ligature."""
    points = sorted({ord(character) for text in pictures for character in text})
    glyphs = {text: "_".join(_name(ord(character)) for character in text) for text in pictures}
    ligatures = {text: glyph for text, glyph in glyphs.items() if len(text) > 1}
    order = [".notdef", *map(_name, points), *ligatures.values()]
    builder = FontBuilder(1024, isTTF=True)
    builder.setupGlyphOrder(order)
    builder.setupCharacterMap({point: _name(point) for point in points})
    builder.setupHorizontalMetrics(dict.fromkeys(order, (1024, 0)))
    builder.setupHorizontalHeader()
    builder.setupPost()
    rules = [f"sub {' '.join(_name(ord(character)) for character in text)} by {glyph};" for text, glyph in ligatures.items()]
    builder.addOpenTypeFeatures("feature ccmp {\n" + "\n".join(rules) + "\n} ccmp;")
    font = builder.font
    font["maxp"] = newTable("maxp")
    font["maxp"].tableVersion, font["maxp"].numGlyphs = 0x5000, len(order)
    data = {glyphs[text]: _bitmap(png, font) for text, png in pictures.items()}
    font["CBDT"], font["CBLC"] = newTable("CBDT"), newTable("CBLC")
    font["CBDT"].version = font["CBLC"].version = 3.0
    font["CBDT"].strikeData = [data]
    font["CBLC"].strikes = [_strike(sorted(data, key=order.index), len(order), font)]
    file = io.BytesIO()
    font.save(file)
    return file.getvalue()


def _name(point: int) -> str:
    return f"u{point:04X}"


def _bitmap(png: bytes, font: Any) -> Any:
    glyph = cbdt_bitmap_format_17(b"", font)
    glyph.metrics = SmallGlyphMetrics()
    for field, value in {"height": 8, "width": 8, "BearingX": 0, "BearingY": 0, "Advance": 8}.items():
        setattr(glyph.metrics, field, value)
    glyph.imageData = png
    return glyph


def _strike(names: list[str], glyphs: int, font: Any) -> Any:
    strike = Strike()
    table = strike.bitmapSizeTable = BitmapSizeTable()
    table.colorRef, table.flags, table.bitDepth, table.ppemX, table.ppemY = 0, 1, 32, 8, 8
    table.startGlyphIndex, table.endGlyphIndex = 0, glyphs - 1
    for direction in ("hori", "vert"):
        line = SbitLineMetrics()
        for field in _LINE.split():
            setattr(line, field, 0)
        setattr(table, direction, line)
    index = eblc_index_sub_table_1(b"", font)
    index.indexFormat, index.imageFormat, index.imageDataOffset = 1, 17, 0
    index.names, index.firstGlyphIndex, index.lastGlyphIndex = names, 0, 0
    strike.indexSubTables = [index]
    return strike
