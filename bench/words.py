"""Numbers as a person says them, and names as a person can read them."""

from __future__ import annotations

import re


def counted(number: int, thing: str) -> str:
    """A number of things: "1 run", "2 runs"."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """Seconds as minutes and hours: "59 s", "1 min 1 s", "2 h 1 min"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def harmless(text: str) -> str:
    """Text whose control characters, line ends and tabs apart, are shown and have no effect; every other letter stays as it is."""
    return UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text)


def printable(name: str) -> str:
    """A name whose control characters, such as those that turn the direction of writing, are shown and have no effect."""
    return "".join(letter if letter.isprintable() or letter == "\N{ZERO WIDTH JOINER}" else "\N{REPLACEMENT CHARACTER}" for letter in name)
