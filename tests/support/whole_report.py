"""All outputs of a report: the parsed HTML page, the markdown, the tidy files and the LaTeX table."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

from bench.tracking.results import Results
from reports.build import build, summary_tables, verdict_text, write
from reports.document import Document, Figure, Picture
from reports.export import write_csv
from reports.latex import latex
from reports.view import view

SVG = "data:image/svg+xml,"
NO_TEXT = re.compile(r"(?<![\w-])[-−+]?(nan|None|inf|infinity|NaT|NaN|null)(?![\w-])")
VOID = {"meta", "link", "img", "br"}


class Page(HTMLParser):
    """Parser of a page: its elements, attributes, visible and alternative texts, and SVG pictures."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.texts: list[str] = []
        self.pictures: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open, f"elements without an end tag: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.texts += [value or "" for name, value in attrs if name in ("alt", "aria-label", "title")]
        self.pictures += [unquote(value.removeprefix(SVG)) for _, value in attrs if value and value.startswith(SVG)]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"end tag without a start tag: {tag}"
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self._open) and data.strip():
            self.texts.append(data)

    def texts_in_pictures(self) -> list[str]:
        """Parse all SVG pictures as XML and return their texts."""
        roots = [ElementTree.fromstring(picture) for picture in self.pictures]
        return [element.text or "" for root in roots for element in root.iter("{http://www.w3.org/2000/svg}text")]


@dataclass(frozen=True, kw_only=True)
class Written:
    """Outputs of a report, and its document."""

    document: Document
    html: str
    page: Page
    markdown: str
    latex: str
    tidy: Path
    verdict: str

    @property
    def text(self) -> str:
        """Return all texts of the page, one a line."""
        return "\n".join(self.page.texts)


def _inline(document: Document) -> list[Picture]:
    """Return the pictures embedded in the page."""
    figures = [block for section in document.sections for block in section.blocks if isinstance(block, Figure)]
    return [figure.picture for figure in figures if figure.picture.grouped]


def whole(results: Results, folder: Path) -> Written:
    """Build and write all outputs. Assert that there are no warnings, and no texts such as "nan" or "None"."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        document = build(results, title="Odd")
        html = write(document, folder / "page").read_text(encoding="utf-8")
        tables = summary_tables(results)
        write_csv(results, folder / "tidy")
        table = latex(view(results))
    assert all(len(row) == len(one.headers) for one in tables for row in one.rows)
    page = Page(html)
    page.pictures += [picture.data.decode() for picture in _inline(document)]
    written = Written(
        document=document, html=html, page=page, latex=table, tidy=folder / "tidy", verdict=verdict_text(document),
        markdown=(folder / "page" / "report.md").read_text(encoding="utf-8"),
    )  # fmt: skip
    labels = page.texts_in_pictures()
    texts = [
        *page.texts,
        *labels,
        *table.splitlines(),
        *written.markdown.splitlines(),
        *(cell for one in tables for row in one.rows for cell in row),
    ]
    assert [text for text in texts if NO_TEXT.search(text)] == []
    return written
