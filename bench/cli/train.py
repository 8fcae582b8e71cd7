"""Commands that train: `ganbench run` and `ganbench suite`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli.common import (
    BUSY,
    CpusPerRun,
    DryRun,
    Folder,
    GpusPerRun,
    InceptionWeights,
    MemoryPerRun,
    Ray,
    Settings,
    Vary,
    app,
    cluster_of,
    console,
    errors,
    parse_settings,
    print_table,
    say,
    with_error,
    with_inception,
    with_varied,
)
from bench.core.errors import UserError
from bench.core.text import duration, pluralise

if TYPE_CHECKING:
    from bench.core.config import RunConfig
    from bench.runs.types import RunResult
    from bench.scheduling.cluster import Cluster
    from bench.scheduling.scheduler import ExecutionPlan, ExecutionResult
    from bench.scheduling.suite import PlannedRun, Suite

RUNS = "runs"  # the experiment of `ganbench run`


@app.command()
def run(
    variant: Annotated[str, typer.Argument(help="A registered variant, or module:OBJECT.")],
    dataset: Annotated[
        str, typer.Option(help="A registered dataset, folder:PATH or module:OBJECT; auto: Fashion-MNIST, else digits.")
    ] = "auto",
    seed: Annotated[int, typer.Option(help="The training seed.")] = 0,
    vary: Vary = None,
    set_: Settings = None,
    inception_weights: InceptionWeights = None,
    folder: Folder = Path("runs"),
    dry_run: DryRun = False,
) -> None:
    """Train and measure one variant, and record it in MLflow (experiment `runs`).

    The exit status is 1 if the run fails, and 3 if another process trains it.
    """
    from bench.scheduling.suite import Entry, Suite, plan

    suite = Suite(name=RUNS, idea="single runs", entries=(Entry(variant=variant),), datasets=(dataset,), seeds=(seed,))
    planned = plan(suite, settings=with_varied(with_inception(parse_settings(set_), inception_weights), vary))
    if dry_run:
        from bench.runs.auto_choice import Auto, resolve
        from bench.runs.preparation import check
        from bench.tracking.store import tracking_uri

        check(resolve(planned[0].config, Auto(tracking_uri(), RUNS)))
        console.print_json(planned[0].config.canonical(), ensure_ascii=True)
        return
    outcome = _execute(suite, _plan_execution(suite, planned, folder, workers=1, probe=False, deliver=True), folder, wait=False)
    if outcome.results and outcome.results[0].values:
        _print_values(outcome.results[0])
    elif outcome.recorded:
        say(f"already recorded: run {outcome.recorded[0].run_id} ({outcome.recorded[0].reason})")
    elif outcome.skipped:
        say(f"already {outcome.actions[0].why}: run {outcome.actions[0].run_id}")
    _exit_by(outcome)


@app.command()
def suite(
    name: Annotated[str, typer.Argument(help="A registered suite: `ganbench list suites`.")],
    seeds: Annotated[int | None, typer.Option(help="Number of training seeds, from 0.")] = None,
    vary: Vary = None,
    only: Annotated[str, typer.Option(help="Globs over variants, e.g. 'wgan*' or cgan,acgan.")] = "*",
    dataset: Annotated[str | None, typer.Option(help="Dataset instead of the suite's.")] = None,
    workers: Annotated[int | None, typer.Option(help="Number of runs at once. Default: as many as the cores allow.")] = None,
    ray: Ray = "",
    cpus_per_run: CpusPerRun = None,
    gpus_per_run: GpusPerRun = None,
    memory_per_run: MemoryPerRun = 0.0,
    extend: Annotated[
        int | None, typer.Option(metavar="IMAGES", help="Resume finished runs from their last checkpoints up to this budget, as new runs.")
    ] = None,
    set_: Settings = None,
    inception_weights: InceptionWeights = None,
    folder: Folder = Path("runs"),
    report: Annotated[
        bool, typer.Option("--report", help="Also write the report: a provisional one while the suite runs, and the whole one at its end.")
    ] = False,
    dry_run: DryRun = False,
) -> None:
    """Train and measure the missing runs of a suite. Skip finished runs, and resume interrupted ones.

    At the end, the command waits for runs that another process trains. The exit status is 1 if a run fails, and 3 if another process still trains one.
    """
    from bench.cli.report import report_folder, write_suite_report
    from bench.scheduling.suite import SUITES, plan
    from reports.io import check_folder

    chosen, cluster = SUITES.get(name), cluster_of(ray, cpus_per_run, gpus_per_run, memory_per_run)
    settings = with_varied(with_inception(parse_settings(set_), inception_weights), vary)
    planned = plan(chosen, only=only, seeds=seeds, dataset=dataset, settings=_extended(settings, extend))
    if report and not dry_run:
        check_folder(report_folder(name), "--report")
    execution_plan = _plan_execution(
        chosen, planned, folder, workers=workers, cluster=cluster, extend=extend is not None, deliver=not dry_run
    )
    if dry_run:
        _print_execution_plan(execution_plan)
        return
    outcome = _execute(chosen, execution_plan, folder, report=report_folder(name) if report else None)
    say(f"{name}: {_summary(outcome)}")
    problem = None
    if report and not outcome.interrupted:
        try:
            write_suite_report(name)
        except UserError as error:  # the status of the runs comes first
            problem = error
            errors.print(f"the report is not written: {error}", highlight=False, markup=False)
    _exit_by(outcome)
    if problem is not None:
        raise typer.Exit(2)


def _summary(outcome: ExecutionResult) -> str:
    """Return the numbers of runs with each status in words."""
    trained = len(outcome.results)
    counts = ", ".join(
        f"{count} {status}" for status in ("finished", "diverged", "interrupted", "failed") if (count := outcome.count(status))
    )
    busy = f", {len(outcome.busy)} trained by another process" if outcome.busy else ""
    changed = sum(bool(action.changed) for action in outcome.actions)
    earlier = f"; {pluralise(changed, 'run')} also recorded with another version" if changed else ""
    return (
        f"{pluralise(trained, 'run')} done now" + (f" ({counts})" if counts else "") + f", {outcome.skipped} recorded before{busy}{earlier}"
    )


def _extended(settings: dict[str, Any], images: int | None) -> dict[str, Any]:
    """Return the settings with the budget of --extend."""
    own = next((path for path in settings if path.startswith("budget.")), None)
    if images is not None and own:
        raise UserError(f"--set {own} and --extend both set the budget: remove one of them")
    return settings if images is None else {**settings, "budget.images": images}


def _plan_execution(
    suite: Suite, planned: Sequence[PlannedRun], folder: Path, *, workers: int | None, cluster: Cluster | None = None,
    extend: bool = False, probe: bool = True, deliver: bool,
) -> ExecutionPlan:  # fmt: skip
    """Return the planned actions of the command. With `deliver`, first deliver pending writes."""
    from bench.scheduling.cluster import HERE
    from bench.scheduling.scheduler import plan_execution
    from bench.tracking.store import tracking_uri

    return plan_execution(
        suite, planned, uri=tracking_uri(), folder=folder.absolute(), workers=workers, cluster=cluster or HERE, extend=extend, probe=probe,
        deliver=deliver,
    )  # fmt: skip


def _execute(
    suite: Suite, execution_plan: ExecutionPlan, folder: Path, *, wait: bool = True, report: Path | None = None
) -> ExecutionResult:
    """Execute the planned jobs, show their progress, and return the results. With a folder `report`, write provisional reports to it.

    If the jobs are interrupted, the last one says so.
    """
    from bench.cli.report import write_interrupted_report
    from bench.scheduling.progress import display_for
    from bench.scheduling.provisional_report import ProvisionalReport
    from bench.scheduling.scheduler import Display, run_suite
    from bench.scheduling.signals import stop_on_signal
    from bench.tracking.store import tracking_uri

    uri, display = tracking_uri(), display_for(console)
    pages: ProvisionalReport | None = None
    try:
        with stop_on_signal(lambda text: errors.print(text, highlight=False)) as stop, ExitStack() as stack:
            watching: Display = display
            if report is not None:
                watching = pages = ProvisionalReport(
                    display, execution_plan.actions, suite=suite.name, uri=uri, out=report, announce=say, stop=stop
                )  # fmt: skip
                stack.callback(pages.stop)
            outcome = run_suite(suite, execution_plan, uri=uri, folder=folder.absolute(), stop=stop, display=watching, wait=wait)
    finally:
        display.stop()
    if outcome.interrupted and pages is not None and report is not None and pages.ended:
        write_interrupted_report(suite.name, report, pages.ended, pages.total)
    return outcome


def _exit_by(outcome: ExecutionResult) -> None:
    """Exit with status 130 after Ctrl-C, 1 if a run fails, or 3 if another process trains a run."""
    for result in outcome.busy:
        say(f"{result.variant} seed {result.seed}: this process does not train it: {result.reason}")
    if outcome.interrupted:
        raise typer.Exit(130)
    if outcome.count("failed"):
        raise typer.Exit(1)
    if outcome.busy or outcome.count("interrupted"):
        raise typer.Exit(BUSY)


def _print_execution_plan(execution_plan: ExecutionPlan) -> None:
    """Print the planned actions and the estimated time."""
    rows = [
        (
            action.config.variant,
            action.config.networks,
            action.config.dataset,
            action.config.seed_words.removeprefix("seed "),
            str(action.config.budget),
            action.kind if action.why in ("new", "") else f"{action.kind}: {action.why}",
            duration(seconds) if (seconds := execution_plan.estimate.seconds.get(action.fingerprint)) is not None else "",
            _differences(action.config),
        )
        for action in execution_plan.actions
    ]
    columns = ("variant", "networks", "dataset", "seed", "budget", "to do", "about", "differs from its recipe")
    print_table(f"{pluralise(len(rows), 'run')}, {len(execution_plan.todo)} to do", columns, rows)
    if execution_plan.todo:
        workers = min(execution_plan.workers, len(execution_plan.todo))
        say(
            f"about {duration(execution_plan.estimate.wall_seconds(workers))} with {workers} at a time, by a short speed test of each variant"
        )


def _differences(config: RunConfig) -> str:
    """Return the values of the recipe that differ from the registered variant, as text."""
    from bench.core.config import config_for, paths

    registered = paths(config_for(config.variant))
    changed = {path: value for path, value in paths(config).items() if path.startswith("recipe.") and value != registered[path]}
    return ", ".join(f"{path.removeprefix('recipe.')}={value}" for path, value in changed.items())


def _print_values(result: RunResult) -> None:
    """Print the metrics of a run."""
    from bench.metrics.columns import CARDS, SE

    values = result.values
    rows = [
        (key, with_error(value, values.get(f"{key}{SE}", math.nan)), CARDS[key].arrow, CARDS[key].unit)
        for key, value in values.items()
        if key in CARDS
    ]
    print_table(f"run {result.run_id}", ("metric", "value", "", "unit"), rows)
    for key, reason in result.reasons.items():
        say(f"{key}: {reason}")
