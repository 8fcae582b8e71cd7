"""Renderer of a document as markdown for a code host, with its pictures as separate files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.core.text import harmless
from reports.document import Block, Cell, Document, Figure, Filmstrip, Gallery, Heading, Picture, Table, Text

FOLDER = "report_files"
ALIGN = {"left": ":---", "right": "---:", "center": ":---:"}
ACROSS = 4  # pictures of a gallery in one line


@dataclass(frozen=True, kw_only=True)
class Markdown:
    """Record of a rendered text, with its pictures by relative path."""

    text: str
    files: dict[str, bytes] = field(default_factory=dict)


def markdown(document: Document) -> Markdown:
    """Return the whole document."""
    files: dict[str, bytes] = {}
    parts = [f"# {escape(document.title)}", escape(document.subtitle)]
    if document.facts:
        parts.append("\n".join(f"- {escape(fact.label)}: **{escape(fact.value)}**" for fact in document.facts))
    parts += [f"> **{escape(warning)}**" for warning in document.warnings]
    parts.append("\n".join(f"- [{escape(section.title)}](#{anchor(section.title)})" for section in document.sections))
    if document.left_out:
        parts.append(f"Left out, because there is no data: {escape(', '.join(document.left_out))}.")
    for section in document.sections:
        parts.append(f"## {escape(section.title)}")
        parts += [_block(block, files) for block in section.blocks]
    return Markdown(text="\n\n".join(part for part in parts if part) + "\n", files=files)


def escape(text: str) -> str:
    """Return text that markdown shows literally, on one line."""
    line = harmless(" ".join(text.split()))
    line = re.sub(r"([\\`*_{}\[\]<>#|~$&!])", r"\\\1", line)
    return re.sub(r"^([-+=]|\d+(?=[.)](?: |$)))", lambda start: _defused(start[1]), line)


def _defused(start: str) -> str:
    """Escape the start of a line that would open a list or an underline: the sign, or the dot after a number."""
    return f"{start}\\" if start[0].isdigit() else f"\\{start}"


def anchor(title: str) -> str:
    """Return the anchor that code hosts give a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _block(block: Block, files: dict[str, bytes]) -> str:
    match block:
        case Text():
            return _text(block)
        case Heading():
            return f"### {escape(block.text)}"
        case Table():
            return _table(block)
        case Figure():
            return f"{_image(block.picture, block.id, files)}\n\n*{escape(block.caption)}*"
        case Gallery():
            return _gallery(block, files)
        case Filmstrip():
            return _filmstrip(block, files)


def _text(block: Text) -> str:
    text = escape(block.text)
    return {"body": text, "lead": f"**{text}**", "note": f"*{text}*", "warning": f"> **{text}**"}[block.tone]


def _table(block: Table) -> str:
    heading = f"#### {escape(block.folded)}" if block.folded else ""
    caption = f"*{escape(block.caption)}*" if block.caption else ""
    grid = _grid(
        [escape(column.title) for column in block.columns],
        [ALIGN[column.align] for column in block.columns],
        [[_cell(c) for c in row.cells] for row in block.rows],
    )
    notes = "\n".join(f"- {escape(note)}" for note in block.notes)
    return "\n\n".join(part for part in (heading, caption, grid, notes) if part)


def _cell(cell: Cell) -> str:
    text = _code(cell.text) if cell.code else escape(cell.text)
    if text and not cell.code and cell.tone in ("strong", "clearly-better"):
        text = f"**{text}**"
    mark = f" ({escape(cell.mark)})" if cell.mark else ""
    detail = f" {escape(cell.detail)}" if cell.detail else ""
    return f"{text}{mark}{detail}".strip()


def _code(text: str) -> str:
    """Return a code span in a table. Its fence is longer than any sequence of backticks in the text. A bar is escaped.

    Parsers disagree on a backslash before a bar in a code span, so such a text has no code span.
    """
    if "\\|" in text:
        return escape(text)
    line = harmless(" ".join(text.split())).replace("|", "\\|")
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}" if line else ""


def _gallery(block: Gallery, files: dict[str, bytes]) -> str:
    tables = []
    for start in range(0, len(block.tiles), ACROSS):
        tiles = block.tiles[start : start + ACROSS]
        titles = [f"{escape(tile.title)}" + (f" ({escape(tile.detail)})" if tile.detail else "") for tile in tiles]
        images = [_image(tile.picture, f"{block.id}-{start + i}", files) for i, tile in enumerate(tiles)]
        tables.append(_grid(titles, [ALIGN["center"]] * len(tiles), [images]))
    return "\n\n".join([*tables, f"*{escape(block.caption)}*"])


def _filmstrip(block: Filmstrip, files: dict[str, bytes]) -> str:
    rows = [
        [
            f"**{escape(strip.title)}**",
            *("" if p is None else _image(p, f"{block.id}-{r}-{c}", files) for c, p in enumerate(strip.pictures)),
        ]
        for r, strip in enumerate(block.strips)
    ]
    table = _grid(["", *map(escape, block.columns)], [ALIGN["left"], *[ALIGN["center"]] * len(block.columns)], rows)
    return f"{table}\n\n*{escape(block.caption)}*"


def _image(picture: Picture, name: str, files: dict[str, bytes]) -> str:
    path = f"{FOLDER}/{name}{picture.suffix}"
    files[path] = picture.data
    return f"![{escape(picture.alt)}]({path})"


def _grid(titles: Sequence[str], align: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [titles, align, *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
