"""The verb that compares: report."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.common import app, print_table, say


@app.command()
def report(
    suite: Annotated[
        list[str] | None, typer.Option(help="A suite (MLflow experiment). Repeatable; all that are there unless given.")
    ] = None,
    runs: Annotated[list[str] | None, typer.Option(help="A run id. Repeatable.")] = None,
    out: Annotated[Path | None, typer.Option(help="The folder to write; build/report/<suite> unless given.")] = None,
) -> None:
    """Compare the recorded runs in one HTML file and in markdown, and print the summary."""
    from bench.results import load
    from bench.store import tracking_uri
    from reports.build import build, summary_tables, write

    results = load(tracking_uri(), suite or (), run_ids=runs or ())
    name = "-".join(re.sub(r"[^\w.-]+", "-", suite).strip(".-") for suite in results.experiments) or "all"  # a tag is no path
    document = build(results, title=f"GAN benchmark: {name}")
    page = write(document, out or Path("build") / "report" / name)
    for table in summary_tables(results):
        print_table(table.title, table.headers, table.rows)
    say(f"report: {page}")
