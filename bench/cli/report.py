"""The verb that compares: report."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.common import app, print_table, say
from bench.core.errors import UserError, one_line
from bench.core.text import pluralise

if TYPE_CHECKING:
    from bench.tracking.results import Results

NAMED = 3  # suites that a title names
log = logging.getLogger(__name__)


@app.command()
def report(
    suite: Annotated[
        list[str] | None,
        typer.Option(help="A suite (MLflow experiment), or a glob, e.g. 'quick*'. Repeatable; all that are there unless given."),
    ] = None,
    runs: Annotated[list[str] | None, typer.Option(help="A run id, or at least its first 6 digits. Repeatable.")] = None,
    only: Annotated[str, typer.Option(metavar="GLOBS", help="Only variants that match, e.g. 'wgan*' or cgan,acgan.")] = "*",
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="The folder to write; build/report/<suite> unless given.")] = None,
    csv: Annotated[Path | None, typer.Option(metavar="DIR", help="Also write tidy results there: docs/tidy-results.md.")] = None,
    latex: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write the leaderboard there, as a LaTeX table.")] = None,
    small: Annotated[bool, typer.Option(help="Few samples and none of earlier training: a page to keep in a repository.")] = False,
    check: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Compare with published results that --csv wrote: exit status 1 where a variant differs, 2 where nothing can be compared. "
            "The report is then written only with --out.",
        ),
    ] = None,
) -> None:
    """Compare the recorded runs in one HTML file and in markdown, and print the summary."""
    from bench.tracking.results import load
    from bench.tracking.store import tracking_uri
    from reports.export import write_csv
    from reports.filter_runs import filter_runs
    from reports.io import check_folder, write_all
    from reports.latex import latex as as_latex
    from reports.view import view

    _check_targets(out, csv, latex)
    results = filter_runs(load(tracking_uri(), suite or (), run_ids=runs or ()), only)
    target = out or (Path("build") / "report" / _folder(results.experiments) if check is None else None)
    if target is not None:
        check_folder(target, "--out")
    agrees = check is None or _agrees(check, results, only)  # before anything is written: it may be refused
    if csv is not None:
        write_csv(results, csv)
        say(f"tidy results: {csv}")
    if latex is not None:
        write_all({latex: as_latex(view(results)).encode()}, f"the table to {str(latex)!r}")
        say(f"table: {latex}")
    if target is not None:
        _write(results, target, title=_title(results.experiments), attach=not runs and only == "*" and not small, small=small)
    if not agrees:
        raise typer.Exit(1)


def _title(suites: Sequence[str]) -> str:
    """The heading of the page: the first suites by name, and how many more."""
    if not suites:
        return "GAN benchmark"
    rest = [pluralise(len(suites) - NAMED, "more suite")] if len(suites) > NAMED else []
    names = [*suites[:NAMED], *rest]
    return "GAN benchmark: " + (f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0])


def _folder(suites: Sequence[str]) -> str:
    """A folder's name made of those of suites: a tag is no path, and may be long."""
    names = [re.sub(r"[^\w.-]+", "-", suite).strip(".-")[:40] for suite in suites[:NAMED]]
    rest = [f"and-{len(suites) - NAMED}-more"] if len(suites) > NAMED else []
    return "-".join(name for name in (*names, *rest) if name) or "all"


def _write(results: Results, target: Path, *, title: str, attach: bool, small: bool) -> None:
    """Write the page and print the summary; of all that one suite has, keep it in MLflow, too."""
    from reports.build import build, summary_tables, verdict_text, write

    document = build(results, title=title, small=small)
    page = write(document, target)
    if attach and len(results.experiments) == 1:
        _attach(results.experiments[0], page.read_bytes(), verdict_text(document))
    for table in summary_tables(results):
        print_table(table.title, table.headers, table.rows)
    say(f"report: {page}")


def _attach(suite: str, page: bytes, verdict: str) -> None:
    """Keep the report in MLflow, too; that it cannot be is no reason to fail."""
    from bench.tracking.attachments import attach_report
    from bench.tracking.store import tracking_uri

    try:
        attach_report(tracking_uri(), suite, page, verdict)
    except (UserError, OSError) as error:
        log.warning("the report is not kept in MLflow: %s", one_line(error))


def _check_targets(out: Path | None, csv: Path | None, latex: Path | None) -> None:
    """Refuse what cannot be written before any work."""
    from reports.io import check_file, check_folder

    for folder, option in ((out, "--out"), (csv, "--csv")):
        if folder is not None:
            check_folder(folder, option)
    if latex is not None:
        check_file(latex, "--latex")


def _agrees(folder: Path, results: Results, only: str) -> bool:
    """Print how these results stand against published ones, and say whether no variant differs."""
    from reports.baseline import read_baseline
    from reports.baseline_check import any_differs, check_baseline, check_summary, check_table
    from reports.filter_runs import filter_runs

    published, newest = read_baseline(folder)
    lines = check_baseline(filter_runs(published, only), results)
    table = check_table(lines, f"against the baseline {folder}" + (f" of {newest}" if newest else ""))
    print_table(table.title, table.headers, table.rows)
    say(check_summary(lines))
    return not any_differs(lines)
