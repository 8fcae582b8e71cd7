"""Command line of ganbench. Only this package imports all others, and each command imports them when it runs."""

from __future__ import annotations

import io
import logging
import os
import sys

import typer

from bench.cli import look, measure, perf, report, runs, show, study, sync, train, ui  # noqa: F401 (registers the commands)
from bench.cli.common import app, errors
from bench.cli.mistakes import is_help, mistake, status_of
from bench.core.terminal import log_to

__all__ = ["app", "main"]

STOPPED = 130  # exit status after Ctrl-C


def main() -> None:
    """Run the command line.

    The exit status is 0 for success, 1 for a failed run or a closed pipe, and 2 for a mistake, which one line describes. It is 3 if another process
    trains a run, and 130 after Ctrl-C.
    """
    log_to(errors, logging.WARNING)
    for stream in (sys.stdout, sys.stderr):  # escape characters that the terminal's encoding lacks
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        status = status_of(app(standalone_mode=False, prog_name="ganbench"))
        if status == STOPPED:
            errors.print("ganbench: stopped")
        sys.exit(status)
    except BrokenPipeError:  # `ganbench list | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (KeyboardInterrupt, typer.Abort):
        errors.print("ganbench: stopped")
        sys.exit(STOPPED)
    except Exception as error:
        if is_help(error):
            sys.exit(0)
        line = mistake(error)
        if line is None:
            raise  # a bug: Python prints the traceback
        errors.print(f"ganbench: {line}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
