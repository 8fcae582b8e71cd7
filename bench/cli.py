"""The command line: the composition root, the only file that imports all packages, and only inside the verbs."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.logging import RichHandler
from rich.table import Table
from rich.text import Text

from bench.errors import UserError, nearest

if TYPE_CHECKING:
    from bench.campaign import Outcome
    from bench.suite import PlannedRun, Suite

app = typer.Typer(
    help="A GAN benchmark suite whose numbers can be trusted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(help="Data sets: what is here, and fetching what is not.", no_args_is_help=True)
app.add_typer(data_app, name="data")

PIPE_WIDTH = 160  # columns where there is no terminal to ask
console = Console() if sys.stdout.isatty() else Console(width=PIPE_WIDTH)
errors = Console(stderr=True)

RUNS = "runs"  # the experiment of `ganbench run`
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change any number of a run, e.g. --set recipe.lr_g=1e-4. Repeatable."),
]
Folder = Annotated[Path, typer.Option("--runs-dir", help="Where unfinished runs keep their checkpoints.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]


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


@app.command("list")
def list_(what: Annotated[str, typer.Argument(help="variants, datasets, metrics, suites or networks")] = "variants") -> None:
    """What there is: variants, datasets, metrics, suites or networks."""
    from bench import catalogue_tables

    tables = catalogue_tables.TABLES
    if what not in tables:
        raise UserError(f"there is no list of {what!r}" + nearest(what, tables))
    title, columns, rows = tables[what]()
    _print_table(title, columns, rows)


@app.command()
def run(
    variant: Annotated[str, typer.Argument(help="A registered variant, or module:OBJECT.")],
    dataset: Annotated[str, typer.Option(help="A registered dataset; auto: Fashion-MNIST where it can be had, else digits.")] = "auto",
    seed: Annotated[int, typer.Option(help="The training seed.")] = 0,
    set_: Settings = None,
    folder: Folder = Path("runs"),
    dry_run: DryRun = False,
) -> None:
    """Train and measure one variant, and record it in MLflow (experiment `runs`)."""
    from bench.suite import Entry, Suite, plan

    suite = Suite(name=RUNS, idea="single runs", entries=(Entry(variant=variant),), datasets=(dataset,), seeds=(seed,))
    planned = plan(suite, settings=_settings(set_))
    if dry_run:
        console.print_json(planned[0].config.canonical())
        return
    outcome = _executed(suite, planned, folder, workers=1)
    if outcome.results:
        _print_values(outcome.results[0].values, outcome.results[0].run_id)
    elif outcome.skipped:
        _say(f"already {outcome.decisions[0].why}: run {outcome.decisions[0].run_id}")
    _exit_by(outcome)


@app.command()
def suite(
    name: Annotated[str, typer.Argument(help="A ready suite: `ganbench list suites`.")],
    seeds: Annotated[int | None, typer.Option(help="Number of training seeds, from 0.")] = None,
    only: Annotated[str, typer.Option(help="A glob over variants, e.g. 'wgan*'.")] = "*",
    dataset: Annotated[str | None, typer.Option(help="Another dataset than the suite's.")] = None,
    workers: Annotated[int | None, typer.Option(help="Runs side by side; cores // threads unless given.")] = None,
    set_: Settings = None,
    folder: Folder = Path("runs"),
    dry_run: DryRun = False,
) -> None:
    """Do what is missing of a suite: finished runs are skipped, stopped ones go on."""
    from bench.suite import SUITES, plan

    chosen = SUITES.get(name)
    planned = plan(chosen, only=only, seeds=seeds, dataset=dataset, settings=_settings(set_))
    if dry_run:
        _print_plan(planned)
        return
    outcome = _executed(chosen, planned, folder, workers=workers)
    trained = len(outcome.results)
    counts = ", ".join(
        f"{count} {status}" for status in ("finished", "diverged", "interrupted", "failed") if (count := outcome.count(status))
    )
    left = f", {outcome.busy} left to another process" if outcome.busy else ""
    _say(f"{name}: {trained} runs done now" + (f" ({counts})" if counts else "") + f", {outcome.skipped} were there already{left}")
    _exit_by(outcome)


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
        _print_table(table.title, table.headers, table.rows)
    _say(f"report: {page}")


@data_app.command("fetch")
def data_fetch(name: Annotated[str, typer.Argument(help="A registered dataset.")]) -> None:
    """Have a dataset's bytes on this machine, verified by hash."""
    from bench.data.catalog import fetch

    source = fetch(name)
    _say(f"{name} is here, from {source}")


@app.command()
def doctor() -> None:
    """Check this machine: versions, devices, data, store, Ray, disk; with advice for each thing that is missing."""
    from bench.doctor import doctor as examine

    checks = examine()
    _print_table(
        "doctor", ("", "what", "found", "advice"), [("ok" if check.ok else "--", check.name, check.found, check.advice) for check in checks]
    )


def _settings(texts: list[str] | None) -> dict[str, Any]:
    from bench.config import parse_setting

    return dict(parse_setting(text) for text in texts or ())


def _executed(suite: Suite, planned: Sequence[PlannedRun], folder: Path, *, workers: int | None) -> Outcome:
    from bench.campaign import run_suite
    from bench.display import display_for
    from bench.stopping import stop_on_signal
    from bench.store import tracking_uri

    display = display_for(console)
    try:
        with stop_on_signal(lambda text: errors.print(text, highlight=False)) as stop:
            return run_suite(suite, planned, uri=tracking_uri(), folder=folder.absolute(), workers=workers, stop=stop, display=display)
    finally:
        display.stop()


def _exit_by(outcome: Outcome) -> None:
    """130 after Ctrl-C, 1 where a run failed."""
    if outcome.interrupted:
        raise typer.Exit(130)
    if outcome.count("failed"):
        raise typer.Exit(1)


def _print_plan(planned: Sequence[PlannedRun]) -> None:
    rows = [
        (
            run.config.variant,
            run.config.networks,
            run.config.dataset,
            str(run.config.seed),
            f"{run.config.budget.images:,}",
            _short(run.overrides),
        )
        for run in planned
    ]
    _print_table(f"{len(rows)} runs", ("variant", "networks", "dataset", "seed", "images", "differs from its recipe"), rows)


def _short(overrides: Mapping[str, Any]) -> str:
    return ", ".join(f"{path}={value}" for path, value in overrides.items() if path.startswith("recipe."))


def _print_values(values: Mapping[str, float], run_id: str) -> None:
    from bench.cards import CARDS

    rows = [(key, f"{value:.4g}", CARDS[key].arrow, CARDS[key].unit) for key, value in values.items() if key in CARDS]
    _print_table(f"run {run_id}", ("metric", "value", "", "unit"), rows)


def _say(text: str) -> None:
    """A line as it is: a path may hold brackets, which are no markup."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = Table(title=_plain(title), title_justify="left", header_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1))
    for index, column in enumerate(columns):
        table.add_column(_plain(column), overflow="fold", no_wrap=index == 0)
    for row in rows:
        table.add_row(*(_plain(cell) for cell in row))
    console.print(table)


def _plain(cell: str) -> Text:
    """A cell as it is: brackets in it are no markup."""
    return Text(cell)


if __name__ == "__main__":
    main()
