"""A document as files: index.html alone, report.md with its pictures. Each appears whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from bench.errors import UserError
from reports.document import Document
from reports.html import html
from reports.markdown import markdown

HTML = "index.html"
MARKDOWN = "report.md"


def write(document: Document, out: Path) -> Path:
    """Write the report into a folder, made if need be, and return the path of its HTML. A folder that cannot be written is a UserError."""
    rendered = markdown(document)
    files = {**rendered.files, MARKDOWN: rendered.text.encode(), HTML: html(document).encode()}
    try:
        for name, data in files.items():
            _replace(out / name, data)
    except OSError as error:
        raise UserError(f"cannot write the report to {str(out)!r}: {error.strerror or error}") from error
    return out / HTML


def _replace(path: Path, data: bytes) -> None:
    """Write a file beside its place, then move it there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
