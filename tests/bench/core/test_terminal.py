"""Tests of hostile text on a terminal. It has no effect in lines, tables, bars, live displays and logs."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Callable

import pytest
from fake_terminal import Output
from rich.console import Group
from rich.live import Live
from rich.markup import escape
from rich.progress import Progress, TextColumn
from rich.table import Table
from rich.text import Text

from bench.core.terminal import SafeConsole, is_terminal, log_to
from bench.core.text import harmless

HOSTILE = "esc\x1b[J csi\x9bJ title\x1b]x\x07 back\x08 over\rwritten del\x7f \u202eright\u2066 half\udcff"
CONTROLS = re.compile(r"\x1b\[[\d;?]*[A-Za-z]|[^\n\t -~\xa0-\U0010ffff]|[\u200f\u202e\u2066\udcff]")


def table(text: str) -> Table:
    found = Table(title=text, caption=text)
    found.add_column(text)
    found.add_column(Text(text), no_wrap=True)
    found.add_row(Text(text), text)
    return found


def bar(console: SafeConsole, text: str) -> None:
    with Progress(TextColumn("{task.description}"), TextColumn("{task.fields[note]}", markup=False), console=console) as progress:
        progress.add_task(escape(text), note=text)


def live(console: SafeConsole, text: str) -> None:
    with Live(console=console) as display:
        display.update(Group(table(text), Text(text)))


def log(console: SafeConsole, text: str) -> None:
    log_to(console, logging.WARNING)
    logging.getLogger("bench.test").warning("the runs of %s and %d more", text, 3)


def traceback(console: SafeConsole, text: str) -> None:
    log_to(console, logging.WARNING)
    try:
        raise ValueError(text)
    except ValueError:
        logging.getLogger("bench.test").exception("with a traceback")


WAYS: dict[str, Callable[[SafeConsole, str], None]] = {
    "line": lambda console, text: console.print(text, markup=False, highlight=False, soft_wrap=True),
    "markup": lambda console, text: console.print(f"[bold]{escape(text)}"),
    "several": lambda console, text: console.print("a", text, sep="\n"),
    "table": lambda console, text: console.print(table(text)),
    "bar": bar,
    "live": live,
    "log": log,
    "traceback": traceback,
}


def printed(way: str, text: str, monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> str:
    out = io.StringIO()
    with monkeypatch.context() as patch:
        patch.setattr(logging.root, "handlers", [])
        WAYS[way](SafeConsole(file=out, width=300, force_terminal=terminal, legacy_windows=False), text)
    return out.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_hostile_text_has_no_effect(way: str, terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The output contains only the control characters that rich writes for harmless text."""
    out, plain = (printed(way, text, monkeypatch, terminal=terminal) for text in (HOSTILE, harmless(HOSTILE)))
    assert all(part in out for part in ("esc\ufffd", "csi\ufffd", "title\ufffd"))
    assert set(CONTROLS.findall(out)) == set(CONTROLS.findall(plain))


@pytest.mark.parametrize("forced", [{}, {"FORCE_COLOR": "1"}])
def test_only_a_terminal_with_a_cursor_has_bars_whatever_the_colours(forced: dict[str, str]) -> None:
    """Jupyter sets FORCE_COLOR for the pipe that captures the output of a command."""
    ways = ((False, "xterm"), (True, "xterm"), (True, "dumb"))
    found = [is_terminal(SafeConsole(file=Output(terminal=terminal), _environ={**forced, "TERM": term})) for terminal, term in ways]
    assert found == [False, True, False]


def test_lines_tabs_and_letters_stay() -> None:
    out = io.StringIO()
    SafeConsole(file=out, width=80).print("naïve 猫\nשלום\t👩‍🚀", soft_wrap=True)
    assert out.getvalue().split() == ["naïve", "猫", "שלום", "👩‍🚀"]
    assert out.getvalue().count("\n") == 2


def test_json_is_the_same_data() -> None:
    out = io.StringIO()
    SafeConsole(file=out, width=20).print_json(data={"name": HOSTILE}, ensure_ascii=True)
    assert json.loads(out.getvalue()) == {"name": HOSTILE}
    assert harmless(out.getvalue()) == out.getvalue()
