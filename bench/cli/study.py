"""Command `ganbench study`, which searches hyperparameters."""

from __future__ import annotations

from dataclasses import replace
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
    app,
    cluster_of,
    console,
    errors,
    number,
    parse_settings,
    print_table,
    say,
    with_inception,
)
from bench.core.errors import UserError
from bench.core.text import pluralise

if TYPE_CHECKING:
    from bench.scheduling.cluster import Cluster
    from studies.study import Plan, Study
    from studies.sweep import Sweep


@app.command()
def study(
    name: Annotated[str, typer.Argument(help="A registered study: `ganbench list studies`.")],
    variants: Annotated[str | None, typer.Option(metavar="NAMES", help="Variants instead of the study's, e.g. dcgan,wgan-gp.")] = None,
    space: Annotated[
        str | None, typer.Option(help="Search space instead of the study's: `ganbench list spaces`, or module:OBJECT.")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Dataset instead of the study's.")] = None,
    objective: Annotated[
        str | None,
        typer.Option(metavar="KEY[,KEY]", help="One or two metrics to optimise. Default: the headline metric of the dataset."),
    ] = None,
    sampler: Annotated[str | None, typer.Option(help="tpe, random or grid.")] = None,
    sampler_seed: Annotated[int | None, typer.Option(help="The seed of the sampler.")] = None,
    pruner: Annotated[str | None, typer.Option(help="none, median (at evaluation points) or wilcoxon (by seeds).")] = None,
    trials: Annotated[
        int | None, typer.Option(help="Number of trials of each variant, pruned ones included. The first has the default recipe.")
    ] = None,
    search_seeds: Annotated[int | None, typer.Option(help="Number of training seeds of each trial.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Number of fresh seeds for the final runs; 0: no final runs.")] = None,
    as_name: Annotated[str | None, typer.Option("--name", help="Record the study under this name, separate from others.")] = None,
    workers: Annotated[int | None, typer.Option(help="Number of trials at once. Default: as many as the cores allow.")] = None,
    ray: Ray = "",
    cpus_per_run: CpusPerRun = None,
    gpus_per_run: GpusPerRun = None,
    memory_per_run: MemoryPerRun = 0.0,
    storage: Annotated[
        str, typer.Option(metavar="PATH|URL", help="A journal file, or postgresql://USER@HOST/NAME for several machines.")
    ] = "studies.journal",
    set_: Settings = None,
    inception_weights: InceptionWeights = None,
    folder: Folder = Path("runs"),
    dry_run: DryRun = False,
) -> None:
    """Search the best recipe of each variant at equal cost, then train it and the default recipe on fresh seeds.

    The study reuses recorded trials. Repeat the command to resume the study, or start it on several machines to share the work.
    """
    from bench.tracking.store import tracking_uri
    from studies.plan import plan
    from studies.study import STUDIES

    chosen = _with_options(
        STUDIES.get(name), name=as_name, space=space, dataset=dataset, objectives=_names(objective), sampler=sampler, sampler_seed=sampler_seed,
        pruner=pruner, trials=trials, search_seeds=search_seeds, final_seeds=seeds,
    )  # fmt: skip
    cluster = cluster_of(ray, cpus_per_run, gpus_per_run, memory_per_run)
    where = storage if "://" in storage else str(Path(storage).absolute())
    planned = plan(
        chosen, uri=tracking_uri(), storage=where, folder=str(folder.absolute()), only=_names(variants) or (),
        settings=with_inception(parse_settings(set_), inception_weights),
    )  # fmt: skip
    if dry_run:
        _print_plan(planned)
        return
    _exit_by(_search(planned, workers, cluster), planned)


def _search(planned: Plan, workers: int | None, cluster: Cluster) -> Sweep:
    """Run the study, show its progress, and return the result."""
    from bench.scheduling.progress import display_for
    from bench.scheduling.signals import stop_on_signal
    from studies.display import study_display_for
    from studies.sweep import sweep

    display, final_display = study_display_for(console), display_for(console)
    try:
        with stop_on_signal(lambda text: errors.print(text, highlight=False)) as stop:
            return sweep(planned, workers=workers, cluster=cluster, stop=stop, display=display, final_display=lambda: final_display)
    finally:
        display.stop()
        final_display.stop()


def _with_options(study: Study, **given: Any) -> Study:
    """Return the study with the given options. An option that is None does not change the study."""
    return replace(study, **{key: value for key, value in given.items() if value is not None})


def _names(text: str | None) -> tuple[str, ...] | None:
    """Return the parts of a comma-separated option, or None for a missing option."""
    if text is None:
        return None
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    if not found:
        raise UserError(f"{text!r} contains no name: separate names by commas")
    return found


def _print_plan(planned: Plan) -> None:
    """Print the plan of a study."""
    from studies.optuna_studies import target

    rows = [
        (
            arm.variant, str(target(planned, arm)), str(arm.base.budget), arm.base.dataset,
            ", ".join(f"{path}={value}" for path, value in arm.defaults.items()), "; ".join(dimension.words for dimension in arm.dimensions),
        )
        for arm in planned.arms
    ]  # fmt: skip
    print_table(planned.study, ("variant", "trials", "budget a run", "data", "default, the first trial", "space"), rows)
    say(
        f"{pluralise(len(planned.search_seeds), 'seed')} a trial, sampler {planned.sampler}, pruner {planned.pruner}; "
        f"then the best and the default on {pluralise(len(planned.final_seeds), 'fresh seed')}"
    )


def _exit_by(found: Sweep, planned: Plan) -> None:
    """Print the best recipes and set the exit status.

    The status is 130 after Ctrl-C, and 1 if a run or too many trials of a variant fail. It is 3 if another process trains a final run.
    """
    import json

    variants = json.loads(found.json)["variants"] if found.json else {}
    rows = []
    for one in found.standings:
        best = variants.get(one.variant, {}).get("best")
        value = "–" if one.best is None else number(one.best)
        default = "–" if one.default is None else number(one.default)
        recipe = (
            "no trial has a score"
            if best is None
            else "the default recipe"
            if best["default"]
            else f"ganbench run {one.variant} --dataset {planned.arms[0].base.dataset} {best['set']}"
        )
        rows.append((one.variant, f"{one.done} of {one.wanted}", default, value, recipe))
    columns = ("variant", "trials", f"default: {planned.objectives[0].key}", "best trial", "to train its recipe")
    print_table(f"{planned.study}: best of the search, measured on its own seeds", columns, rows)
    for variant in found.given_up:
        say(f"{variant}: the search has stopped, because too many trials fail; `ganbench report --suite {planned.study}` shows the reasons")
    if found.elsewhere:
        say("another process trains the final runs")
    say(f"`ganbench report --suite {planned.study}` compares the best recipes with the default recipes on fresh seeds")
    if found.interrupted:
        raise typer.Exit(130)
    if found.given_up or (found.final is not None and found.final.count("failed")):
        raise typer.Exit(1)
    if found.final is not None and found.final.busy:
        raise typer.Exit(BUSY)
