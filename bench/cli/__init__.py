"""The command line: the composition root, the only package that imports all others, and only inside the verbs."""

from __future__ import annotations

import logging
import sys

from rich.logging import RichHandler

from bench.cli import look, report, train  # noqa: F401 (registers the verbs)
from bench.cli.common import app, errors
from bench.errors import UserError

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line: a UserError is one line and exit status 2, Ctrl-C is 130."""
    logging.basicConfig(
        level=logging.WARNING, format="%(message)s", handlers=[RichHandler(console=errors, show_path=False, show_time=False)]
    )
    try:
        app()
    except UserError as error:
        errors.print(f"ganbench: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
    except KeyboardInterrupt:
        errors.print("ganbench: stopped")
        sys.exit(130)
