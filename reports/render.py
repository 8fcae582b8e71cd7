"""Writer of a document as files: index.html, and report.md with its pictures. Each write is atomic."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from reports.document import Document
from reports.html import html
from reports.io import lock_folder, write_all
from reports.markdown import FOLDER, markdown

HTML = "index.html"
MARKDOWN = "report.md"
WRITTEN = "written.txt"  # in the pictures' folder: the names of its pictures, so that the next report can remove them
SUFFIXES = (".png", ".svg")


def write(document: Document, out: Path) -> Path:
    """Write the report into a folder, which is created if needed, and return the path of its HTML.

    The function removes pictures of the previous report that this one lacks. It never removes a file that no report wrote.
    Raise a UserError for a folder that cannot be written.
    """
    rendered = markdown(document)
    listing = out / FOLDER / WRITTEN
    new = {Path(path).name for path in rendered.files}
    former = _listed(listing)
    files = {out / path: data for path, data in rendered.files.items()}
    files |= {out / MARKDOWN: rendered.text.encode(), out / HTML: html(document).encode()}
    first = (
        {listing: _listing(new | former)} if new | former else {}
    )  # before the pictures, so that an interrupted write leaves no unlisted picture
    with lock_folder(out):  # a process that writes a provisional page cannot replace the new one
        write_all(first | files, f"the report to {str(out)!r}")
    for name in former - new:
        with suppress(OSError):  # an outdated picture does no harm
            (out / FOLDER / name).unlink()
    if former - new:
        write_all({listing: _listing(new)}, f"the report to {str(out)!r}")
    return out / HTML


def _listing(names: Iterable[str]) -> bytes:
    return "".join(f"{name}\n" for name in sorted(names)).encode()


def _listed(listing: Path) -> set[str]:
    """Return the names of the previous report's pictures. Other content of the file is ignored."""
    try:
        names = listing.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return set()
    return {name for name in names if Path(name).name == name and name.endswith(SUFFIXES)}
