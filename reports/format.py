"""Functions that format numbers and lists as text: three significant digits, separated thousands, a dash for a missing value."""

from __future__ import annotations

import math
from collections.abc import Sequence

from reports.stats import LARGEST, Interval

NOTHING = "–"
LONG = 1e9  # `number` writes values of at least this size in scientific notation


def number(value: float) -> str:
    """Return a number with about three significant digits: 125, 25.9, 0.931, 0.00042, 1.50e12."""
    if math.isnan(value):
        return NOTHING
    size = abs(value)
    if size >= LARGEST:
        return "∞" if value > 0 else "−∞"
    if size >= LONG:
        digits, _, power = f"{value:.2e}".partition("e")
        text = f"{digits}e{int(power)}"
    elif size >= 99.95:
        text = f"{value:,.0f}"
    elif size >= 9.995:
        text = f"{value:.1f}"
    elif size >= 0.9995:
        text = f"{value:.2f}"
    elif size >= 0.0095:
        text = f"{value:.3f}"
    else:
        text = "0" if value == 0 else f"{value:.2g}"
    return text.replace("-", "−")


def count(value: float) -> str:
    """Return a whole number with separated thousands. From `LONG` on, the text is that of `number`."""
    return number(value) if math.isnan(value) or abs(value) >= LONG else f"{value:,.0f}"


def thousands(value: float, _position: float = 0) -> str:
    """Return a number of images in short form: 0, 50k, 1.5M. Matplotlib also gives the position of a tick."""
    if abs(value) >= 1e6:
        return f"{value / 1e6:.4g}M"
    return f"{value / 1e3:.4g}k" if abs(value) >= 1e3 else f"{value:g}"


def interval(value: Interval | None, *, times: str = "") -> str:
    """Return "[low, high]", or "" for no interval."""
    return "" if value is None else f"[{number(value.low)}{times}, {number(value.high)}{times}]"


def percent(share: float) -> str:
    """Return a share in whole per cent: "7 %", or "< 1 %"."""
    return "< 1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"


def p_value(value: float | None) -> str:
    """Return a p value with three decimals, or "< .001"."""
    if value is None:
        return NOTHING
    return "< .001" if value < 0.001 else f"{value:.3f}".removeprefix("0")


def shorten(items: Sequence[str], most: int) -> list[str]:
    """Return the items. If there are more than `most`, return the first ones and the number of the rest."""
    return list(items) if len(items) <= most else [*items[: most - 1], f"{len(items) - most + 1:,} more"]


def letters_of(index: int, alphabet: str) -> str:
    """Return the letters of an index, as those of the columns of a spreadsheet: a, ..., z, aa, ab, ..."""
    before, last = divmod(index, len(alphabet))
    return (letters_of(before - 1, alphabet) if before else "") + alphabet[last]


def join_words(items: Sequence[str], *, last: str = "and") -> str:
    """Return "a, b and c"."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}" if items else ""
