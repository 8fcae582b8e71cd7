"""A document as one HTML file that needs nothing else: pictures and style are inside, everything else is escaped."""

from __future__ import annotations

import base64

from jinja2 import Environment, PackageLoader, StrictUndefined

from reports.document import Document, Picture


def html(document: Document) -> str:
    """The whole page."""
    environment = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"uri": _uri, "kind": _kind}
    return environment.get_template("index.html").render(document=document)


def _uri(picture: Picture) -> str:
    return f"data:{picture.media};base64,{base64.b64encode(picture.data).decode()}"


def _kind(block: object) -> str:
    return type(block).__name__.lower()
