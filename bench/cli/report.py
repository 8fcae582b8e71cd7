"""Command `ganbench report`, which compares recorded runs."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.common import app, errors, print_table, say
from bench.core.errors import UserError, one_line
from bench.core.text import pluralise

if TYPE_CHECKING:
    from bench.tracking.results import Results

MOST_NAMES = 3  # suites in a title
log = logging.getLogger(__name__)


@app.command()
def report(
    suite: Annotated[
        list[str] | None,
        typer.Option(help="A suite (MLflow experiment), or a glob, e.g. 'quick*'. Repeatable. Default: all suites."),
    ] = None,
    runs: Annotated[list[str] | None, typer.Option(help="A run id, or at least its first 6 digits. Repeatable.")] = None,
    only: Annotated[str, typer.Option(metavar="GLOBS", help="Only variants that match, e.g. 'wgan*' or cgan,acgan.")] = "*",
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="The folder for the report. Default: build/report/<suite>.")] = None,
    csv: Annotated[Path | None, typer.Option(metavar="DIR", help="Also write tidy results to this folder (docs/tidy-results.md).")] = None,
    latex: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write the leaderboard to this file, as a LaTeX table.")] = None,
    small: Annotated[
        bool, typer.Option(help="Make the page small enough for a repository: few samples, all from the end of training.")
    ] = False,
    check: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Compare with published results from --csv: agrees, differs or cannot tell. The exit status is 1 if a variant differs, and 2 if nothing can be compared. "
            "Writes the report only with --out.",
        ),
    ] = None,
) -> None:
    """Compare recorded runs in one HTML file and in markdown, and print a summary."""
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
    no_difference = check is None or _no_difference(check, results, only)  # before writing any file, because it may raise a UserError
    if csv is not None:
        write_csv(results, csv)
        say(f"tidy results: {csv}")
    if latex is not None:
        write_all({latex: as_latex(view(results)).encode()}, f"the table to {str(latex)!r}")
        say(f"table: {latex}")
    if target is not None:
        _write(results, target, title=_title(results.experiments), attach=not runs and only == "*" and not small, small=small)
    if not no_difference:
        raise typer.Exit(1)


def report_folder(suite: str) -> Path:
    """Return the folder for the report of a suite."""
    return Path("build") / "report" / _folder((suite,))


def write_suite_report(suite: str) -> None:
    """Write the report of a suite to its folder and to MLflow, and print the summary. Raises UserError."""
    from bench.tracking.results import load
    from bench.tracking.store import tracking_uri

    _write(load(tracking_uri(), (suite,)), report_folder(suite), title=_title((suite,)), attach=True, small=False)


def write_interrupted_report(suite: str, folder: Path, ended: int, total: int) -> None:
    """Write a provisional report that says how far an interrupted suite has come. It replaces no whole report. An error is printed."""
    from bench.tracking.store import tracking_uri
    from reports.provisional import notice_of_interrupted, write_provisional

    try:
        page = write_provisional(tracking_uri(), suite, notice_of_interrupted(suite, ended, total), folder=folder)
    except UserError as error:  # the exit status says that the suite was interrupted
        errors.print(f"the report is not written: {error}", highlight=False, markup=False)
        return
    if page is not None:
        say(f"provisional report: {page} ({ended} of {total} runs)")


def _title(suites: Sequence[str]) -> str:
    """Return the title of the page, with the first suites and the number of the others."""
    if not suites:
        return "GAN benchmark"
    rest = [pluralise(len(suites) - MOST_NAMES, "more suite")] if len(suites) > MOST_NAMES else []
    names = [*suites[:MOST_NAMES], *rest]
    return "GAN benchmark: " + (f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0])


def _folder(suites: Sequence[str]) -> str:
    """Return a safe and short folder name for suites, whose names may contain any characters."""
    names = [re.sub(r"[^\w.-]+", "-", suite).strip(".-")[:40] for suite in suites[:MOST_NAMES]]
    rest = [f"and-{len(suites) - MOST_NAMES}-more"] if len(suites) > MOST_NAMES else []
    return "-".join(name for name in (*names, *rest) if name) or "all"


def _write(results: Results, target: Path, *, title: str, attach: bool, small: bool) -> None:
    """Write the page and print the summary. With `attach`, also log the page of a single suite to MLflow."""
    from reports.build import build, summary_tables, verdict_text, write

    document = build(results, title=title, small=small)
    page = write(document, target)
    if attach and len(results.experiments) == 1:
        _attach(results.experiments[0], page.read_bytes(), verdict_text(document))
    for table in summary_tables(results):
        print_table(table.title, table.headers, table.rows)
    say(f"report: {page}")


def _attach(suite: str, page: bytes, verdict: str) -> None:
    """Log the report to MLflow. If that fails, log a warning."""
    from bench.tracking.attachments import attach_report
    from bench.tracking.store import tracking_uri

    try:
        attach_report(tracking_uri(), suite, page, verdict)
    except (UserError, OSError) as error:
        log.warning("the report cannot be logged to MLflow: %s", one_line(error))


def _check_targets(out: Path | None, csv: Path | None, latex: Path | None) -> None:
    """Check that the targets can be written. Raises UserError."""
    from reports.io import check_file, check_folder

    for folder, option in ((out, "--out"), (csv, "--csv")):
        if folder is not None:
            check_folder(folder, option)
    if latex is not None:
        check_file(latex, "--latex")


def _no_difference(folder: Path, results: Results, only: str) -> bool:
    """Print the comparison with published results, and return whether no variant differs."""
    from reports.baseline import read_baseline
    from reports.baseline_check import any_differs, check_baseline, check_summary, check_table
    from reports.filter_runs import filter_runs

    published, newest = read_baseline(folder)
    lines = check_baseline(filter_runs(published, only), results)
    table = check_table(lines, f"against the baseline {folder}" + (f" of {newest}" if newest else ""))
    print_table(table.title, table.headers, table.rows)
    say(check_summary(lines))
    return not any_differs(lines)
