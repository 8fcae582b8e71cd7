"""The one exception that means "the user asked for something that cannot be": one line, exit status 2."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake that its reader can mend. The message is one line: the bad value, then the nearest good ones."""


def nearest(name: str, known: Iterable[str], *, most: int = 3) -> str:
    """The known names most like `name`, as the end of an error message: "; did you mean 'dcgan'?", or all of them if few."""
    names = sorted(set(known))
    close = difflib.get_close_matches(name, names, n=most, cutoff=0.5)
    if close:
        return "; did you mean " + " or ".join(repr(candidate) for candidate in close) + "?"
    if not names:
        return ""
    shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    return f"; there is {shown}"


def one_line(error: object, *, most: int = 200) -> str:
    """An error's text without line breaks, cut to `most` characters: libraries write paragraphs."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # an exception of somebody's may not even be able to say what it is
        text = type(error).__name__
    return text if len(text) <= most else text[: most - 3] + "..."
