"""Markdown output, which shows every text literally."""

from __future__ import annotations

import pytest
from markdown_it import MarkdownIt

from reports.document import Cell, Column, Document, Figure, Gallery, Heading, Picture, Row, Section, Table, Text, Tile
from reports.markdown import anchor, escape, markdown

HOSTILE = (
    "<script>alert(1)</script>",
    "a|b",
    "`c`",
    "*d*",
    "_e_",
    "[f](javascript:g)",
    "# h",
    "- i",
    "1. j",
    "2)",
    "26.1",
    "&amp;",
    "~~k~~",
    "$l$",
    "m\\|n",
    "![o](p)",
)
PICTURE = Picture(data=b"<svg/>", media="image/svg+xml", alt="a | b")


def rendered(text: str) -> str:
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text)


def plain(html: str) -> str:
    for sign, code in (("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("&", "&amp;")):
        html = html.replace(code, sign)
    return html


@pytest.mark.parametrize("text", HOSTILE)
def test_escaped_text_renders_as_itself(text: str) -> None:
    assert plain(rendered(escape(text))) == f"<p>{text}</p>\n"


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("code", [False, True])
def test_cells_stay_in_their_columns(text: str, code: bool) -> None:
    cells = (Cell(text=text, code=code), Cell(text="next", detail="small", mark="a"))
    table = Table(columns=(Column(title=text, align="left"), Column(title="two")), rows=(Row(cells=cells),))
    document = Document(title="t", subtitle="s", sections=(Section(id="x", title="X", blocks=(table,)),))
    html = plain(rendered(markdown(document).text))
    expected = f"<code>{text}</code>" if code and "\\|" not in text else text
    body = f'<td style="text-align:left">{expected}</td>\n<td style="text-align:right">next (a) small</td>'
    assert body in html
    assert html.count("<td") == 2


def test_every_picture_is_a_file_beside_it() -> None:
    tiles = tuple(Tile(title=str(i), picture=PICTURE) for i in range(5))
    blocks = (
        Figure(id="f", caption="c", picture=PICTURE),
        Gallery(id="g", caption="c", tiles=tiles),
        Heading(text="h"),
        Text(text="w", tone="warning"),
    )
    output = markdown(Document(title="t", subtitle="s", sections=(Section(id="x", title="X", blocks=blocks),), left_out=("Y",)))
    assert sorted(output.files) == ["report_files/f.svg", *(f"report_files/g-{i}.svg" for i in range(5))]
    assert all(f"]({path})" in output.text for path in output.files)
    html = rendered(output.text)
    assert html.count("<img") == 6
    assert "<h3>h</h3>" in html
    assert ": Y." in html


def test_contents_lead_to_headings() -> None:
    assert anchor("Environment and protocol") == "environment-and-protocol"
