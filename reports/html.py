"""A document as one HTML file that needs nothing else: pictures, style and script are inside, everything else is escaped.

All of it can be read without the script, which sorts tables, hides variants, moves through training and enlarges pictures. The page's own policy lets
nothing be loaded from anywhere, and no other script run.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
import itertools
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bench.core.text import harmless
from reports.document import Document, Picture
from reports.plots.svg import part_of_page

SCRIPT = "page.js"
IN_ATTRIBUTE = " !$'()*+,-./:;=?@[]^_`{|}~"  # of an SVG in a quoted attribute, these need no escape


def html(document: Document) -> str:
    """The whole page."""
    environment = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=lambda value: harmless(value) if type(value) is str else value,  # markup has been through it
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
    return environment.get_template("index.html").render(document=document, script=Markup(script), digest=_digest(script))


def _digest(script: str) -> str:
    """How a content security policy names a script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _uri(picture: Picture) -> Markup:
    """A picture as the value of a quoted attribute: SVG as text, which is a third smaller than base64."""
    if picture.media == "image/svg+xml":
        return Markup(f"data:{picture.media}," + quote(picture.data.decode(), safe=IN_ATTRIBUTE + "<>"))
    return Markup(f"data:{picture.media};base64,{base64.b64encode(picture.data).decode()}")


def _kind(block: object) -> str:
    return type(block).__name__.lower()
