"""The exception for a user's mistake (one line, exit status 2), and helpers for its message."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from bench.core.text import harmless

GAP = " ... "
LONG_WORD = 30  # characters: only a longer word may be cut


class UserError(Exception):
    """Mistake that the user can correct. Its message is one line without control characters: the bad value, then the nearest good values."""

    def __init__(self, message: str) -> None:
        super().__init__(harmless(message))


def nearest(name: str, known: Iterable[str], *, most: int = 3) -> str:
    """Return the known names most similar to `name` as the end of an error message: "; did you mean 'dcgan'?".

    If none is similar, it lists the first 20 known names.
    """
    names = sorted(set(known))
    close = difflib.get_close_matches(name, names, n=most, cutoff=0.5)
    if close:
        return "; did you mean " + " or ".join(repr(candidate) for candidate in close) + "?"
    if not names:
        return ""
    listing = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    return f"; there is {listing}"


def one_line(error: object, *, most: int = 200) -> str:
    """Return an error's text without line breaks. Of a text longer than `most` characters it returns the start and the end.

    It never shortens a UserError, which is one line already and ends with what to do.
    """
    try:
        text = " ".join(str(error).split())
    except Exception:  # even str() of a library's exception may fail
        text = type(error).__name__
    return text if isinstance(error, UserError) or len(text) <= most else _without_middle(text, most)


def _without_middle(text: str, most: int) -> str:
    """Return the start and the end of a text, in at most `most` characters. It cuts between words, unless they are long."""
    end = (most - len(GAP)) // 3
    start = most - len(GAP) - end
    head, tail = text[:start], text[-end:]
    last, first = head.rfind(" "), tail.find(" ")
    if not text[start].isspace() and last > 0 and start - last < LONG_WORD:
        head = head[:last]
    if not text[-end - 1].isspace() and 0 <= first < LONG_WORD:
        tail = tail[first:]
    return head.rstrip() + GAP + tail.lstrip()
