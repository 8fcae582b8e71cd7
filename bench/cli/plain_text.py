"""Renderer of documents as plain text of a limited width, without colour and markup. It does not support pictures."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator

from rich import box
from rich.table import Table as Grid
from rich.text import Text as Line

from bench.core.terminal import SafeConsole
from reports.document import Block, Cell, Document, Heading, Table, Text

WIDTH = 100  # columns


def plain_text(document: Document, width: int = WIDTH) -> str:
    """Return a document as text, in lines of at most `width` columns."""
    parts = [f"{document.title}\n{'=' * len(document.title)}", _wrapped(document.subtitle, width)]
    if document.facts:
        longest = max(len(fact.label) for fact in document.facts)
        lines = (
            textwrap.fill(f"{fact.label:<{longest}}  {fact.value}", width, subsequent_indent=" " * (longest + 2), break_on_hyphens=False)
            for fact in document.facts
        )
        parts.append("\n".join(lines))
    parts += [_wrapped(warning, width) for warning in document.warnings]
    for section in document.sections:
        parts.append(f"{section.title}\n{'-' * len(section.title)}")
        parts += [text for block in section.blocks for text in _block(block, width)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _wrapped(text: str, width: int) -> str:
    return textwrap.fill(text, width, break_on_hyphens=False)


def _block(block: Block, width: int) -> Iterator[str]:
    match block:
        case Text() | Heading():
            yield _wrapped(block.text, width)
        case Table():
            yield _grid(block, width)
            yield from (_wrapped(note, width) for note in (block.caption, *block.notes) if note)
        case _:
            raise TypeError(f"plain text shows Text, Heading and Table, not {type(block).__name__}")


def _grid(table: Table, width: int) -> str:
    grid = Grid(box=box.SIMPLE_HEAD, padding=(0, 2, 0, 0), pad_edge=False, show_header=any(column.title for column in table.columns))
    for index, column in enumerate(table.columns):
        grid.add_column(Line(column.title), justify=column.align, overflow="fold", no_wrap=index == 0)
    for row in table.rows:
        grid.add_row(*(_cell(cell) for cell in row.cells))
    out = io.StringIO()
    SafeConsole(file=out, width=width, color_system=None, legacy_windows=False).print(grid)
    lines = (line.rstrip() for line in out.getvalue().splitlines())
    return "\n".join(line for line in lines if line)


def _cell(cell: Cell) -> Line:
    return Line("\n".join(part for part in (cell.text, cell.detail) if part))
