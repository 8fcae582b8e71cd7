"""Renderer of a document as one self-contained HTML file. The file contains pictures, style and script, and all texts are escaped.

The page is complete without its script. The script sorts tables, hides variants, shows samples through training and enlarges pictures.
The content security policy of the page blocks every other script and every load from another address.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
import itertools
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bench.core.text import harmless
from reports.document import Document, Picture
from reports.plots.svg import part_of_page

SCRIPT = "page.js"
PROVISIONAL = '<meta name="ganbench-report" content="provisional">'
HEAD_BYTES = 4096  # at the start of a page, in which `PROVISIONAL` is
IN_ATTRIBUTE = " !$'()*+,-./:;=?@[]^_`{|}~"  # characters that need no escape in an SVG within a quoted attribute


def html(document: Document) -> str:
    """Return the whole page."""
    environment = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=lambda value: harmless(value) if type(value) is str else value,  # the renderer has already escaped markup
    )
    parts = itertools.count(1)
    groups = {entry: group.name for group in document.groups for entry in group.entries}
    script = importlib.resources.files("reports").joinpath("templates", SCRIPT).read_text(encoding="utf-8")
    environment.filters |= {
        "uri": _uri,
        "kind": _kind,
        "group": lambda entry: groups.get(entry, ""),
        "inline": lambda picture: Markup(part_of_page(picture.data.decode(), lambda entry: groups.get(entry, ""), next(parts))),
    }
    mark = Markup(PROVISIONAL if document.provisional else "")
    return environment.get_template("index.html").render(document=document, script=Markup(script), digest=_digest(script), mark=mark)


def is_provisional(page: Path) -> bool:
    """Return whether a page is a provisional report. It is not if it cannot be read."""
    try:
        with page.open("rb") as file:
            return PROVISIONAL.encode() in file.read(HEAD_BYTES)
    except OSError:
        return False


def _digest(script: str) -> str:
    """Return the hash of a script for a content security policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _uri(picture: Picture) -> Markup:
    """Return a picture as the value of a quoted attribute. SVG is text, because base64 is larger."""
    if picture.media == "image/svg+xml":
        return Markup(f"data:{picture.media}," + quote(picture.data.decode(), safe=IN_ATTRIBUTE + "<>"))
    return Markup(f"data:{picture.media};base64,{base64.b64encode(picture.data).decode()}")


def _kind(block: object) -> str:
    return type(block).__name__.lower()
