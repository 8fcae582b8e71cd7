"""Renderer of documents as plain text."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from bench.cli.common import say
from bench.cli.plain_text import plain_text
from bench.core.text import harmless
from reports.document import Block, Cell, Column, Document, Fact, Figure, Heading, Picture, Row, Section, Table, Text

LONG = "x̂ lies between real and generated data, well-known and half-forgotten, " * 4
TABLE = Table(
    columns=(Column(title="where", align="left"), Column(title="what", align="left"), Column(title="parameters")),
    rows=(
        Row(
            cells=(Cell(text="a/long/path/that/stays/whole.py:12", code=True), Cell(text="a [bold] word", detail=LONG), Cell(text="1,234"))
        ),
        Row(cells=(Cell(text="b.py:1"), Cell(text="\x1b[31mred\u202e"), Cell(text="7"))),
    ),
    notes=(LONG,),
)


def document(*blocks: Block) -> Document:
    return Document(
        title="dcgan", subtitle=LONG, facts=(Fact(label="Paper", value=LONG), Fact(label="Networks", value="dcgan")), warnings=(LONG,),
        sections=(Section(id="a", title="Losses", blocks=blocks),),
    )  # fmt: skip


@pytest.mark.parametrize("width", [60, 80, 100])
def test_no_line_is_wider_and_no_word_is_lost(width: int) -> None:
    text = plain_text(document(Heading(text="G"), Text(text=LONG), TABLE), width)
    assert max(cell_len(line) for line in text.splitlines()) <= width
    assert text.split().count("half-forgotten,") >= 5 * 4
    assert "a/long/path/that/stays/whole.py:12" in text
    assert not any(line != line.rstrip() for line in text.splitlines())


def test_titles_are_underlined_and_numbers_aligned() -> None:
    lines = plain_text(document(TABLE)).splitlines()
    assert lines[:2] == ["dcgan", "====="]
    assert lines[lines.index("Losses") + 1] == "------"
    ends = {len(line) for line in lines if line.endswith(("1,234", " 7", "parameters"))}
    assert len(ends) == 1


def test_control_characters_and_markup_have_no_effect(capsys: pytest.CaptureFixture[str]) -> None:
    say(plain_text(document(TABLE, Text(text="\x1b]0;title\x07"))))
    text = capsys.readouterr().out
    assert "a [bold] word" in text
    assert "\ufffd[31mred\ufffd" in text
    assert harmless(text) == text


def test_pictures_are_refused() -> None:
    with pytest.raises(TypeError, match="Figure"):
        plain_text(document(Figure(id="a", caption="", picture=Picture(data=b"", media="image/png", alt=""))))
