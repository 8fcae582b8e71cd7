"""Commands that measure and sample without training: `ganbench evaluate`, `sample` and `score`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli.common import (
    EvaluationSettings,
    InceptionWeights,
    app,
    console,
    errors,
    number,
    parse_settings,
    print_table,
    say,
    with_error,
    with_inception,
)
from bench.core.text import pluralise

if TYPE_CHECKING:
    from bench.evaluation.external import ExternalMeasurement
    from bench.runs.types import RunResult
    from bench.scheduling.rescoring import FinishedRun


@app.command()
def evaluate(
    source: Annotated[
        str, typer.Argument(help="An .npz file with an array `images` (of points: `points`), a folder of images, or module:OBJECT.")
    ],
    dataset: Annotated[str, typer.Option(help="The registered dataset to compare with; auto: Fashion-MNIST, else digits.")] = "auto",
    range_: Annotated[
        tuple[float, float] | None,
        typer.Option("--range", metavar="LO HI", help="The values of black and white in float images. Default: 0 1."),
    ] = None,
    latent: Annotated[int | None, typer.Option(help="The latent dimension, if the module:OBJECT does not define it.")] = None,
    n: Annotated[
        int | None,
        typer.Option("--n", help="Number of images to sample from a module:OBJECT. Default: the number in the evaluation of a run."),
    ] = None,
    as_is: Annotated[bool, typer.Option("--as-is", help="Measure the images even if their values look wrong, e.g. nearly black.")] = False,
    inception_weights: InceptionWeights = None,
    set_: EvaluationSettings = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Measure external images with the evaluation protocol of runs, beside real images and an untrained generator.

    Images are uint8, or floats in [0, 1] or in --range. Their order is NHWC or NCHW, or NHW for grey images. A module:OBJECT is a torch module,
    or a function or class that returns one. The file of the module may be in the working folder.
    """
    from bench.core.config import check_settable, evaluation_with
    from bench.evaluation.external import SETTABLE, measure

    settings = with_inception(parse_settings(set_), inception_weights)
    check_settable(settings, SETTABLE, command="ganbench evaluate")
    measured = measure(source, dataset, value_range=range_, latent=latent, n=n, evaluation=evaluation_with(settings), as_is=as_is)
    if json:
        console.print_json(data=measured.as_json(), sort_keys=False, ensure_ascii=True)
    else:
        _print_measured(measured)


@app.command()
def sample(
    run_id: Annotated[str, typer.Argument(help="The id of a finished run, or at least its first 6 digits.")],
    out: Annotated[
        Path, typer.Option(help="FILE.npz: an array `images` (uint8, NCHW) or `points`, which `evaluate` reads. FILE.png: a sample grid.")
    ],
    n: Annotated[int, typer.Option("--n", help="Number of images.")] = 64,
    seed: Annotated[int | None, typer.Option(help="The seed of the latents. Default: the seed of the run's evaluation.")] = None,
    weights: Annotated[str, typer.Option(help="last, or best if the run saved the best weights.")] = "last",
    label: Annotated[
        str | None,
        typer.Option("--class", help="One class of a conditional model, by name or number. Default: the class mix of the dataset."),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="The device. Default: the device of the run, or the CPU if this machine lacks that device.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Sample images or points from the generator of a recorded run.

    Without --seed, and with the number of samples of the evaluation as --n, they are the samples of the run's evaluation.
    """
    from bench.evaluation.export import check_target, write_samples
    from bench.evaluation.generator import check_count, load_generator

    check_count(n)
    check_target(out, force=force)
    generator = load_generator(run_id, weights=weights, device=device)
    samples = generator.sample(n, seed=seed, label=label)
    points = generator.data.kind == "points"
    write_samples(samples, out, generator.dataset if points else None)
    say(f"{len(samples):,} {'points' if points else 'images'}: {out}")


@app.command()
def score(
    run_ids: Annotated[list[str] | None, typer.Argument(metavar="[RUN_ID]...", help="Ids of finished runs.")] = None,
    suite: Annotated[str | None, typer.Option(help="All finished runs of this suite, instead of ids.")] = None,
    workers: Annotated[int | None, typer.Option(help="Number of runs at once. Default: cores // threads.")] = None,
    set_: EvaluationSettings = None,
    inception_weights: InceptionWeights = None,
) -> None:
    """Measure finished runs again, e.g. with another evaluation protocol: --set evaluation.samples=5000. Trains nothing."""
    from bench.scheduling.progress import display_for
    from bench.scheduling.rescoring import finished_runs, rescore
    from bench.scheduling.signals import stop_on_signal
    from bench.tracking.store import tracking_uri

    uri = tracking_uri()
    runs = finished_runs(uri, run_ids or (), suite, with_inception(parse_settings(set_), inception_weights))
    display = display_for(console)
    try:
        with stop_on_signal(lambda text: errors.print(text, highlight=False)) as stop:
            ended = rescore(runs, uri=uri, workers=workers, stop=stop, display=display)
            interrupted = stop()
    finally:
        display.stop()
    _print_scores(ended.runs)
    if interrupted:
        raise typer.Exit(130)
    if ended.failed:
        raise typer.Exit(1)


def _print_measured(measured: ExternalMeasurement) -> None:
    """Print the metrics of external samples beside those of the reference rows."""
    from bench.metrics.columns import SE, card
    from bench.metrics.columns import measured as metrics

    rows = []
    for key in (key for key in metrics() if key in measured.measurement.values):
        sides = (measured.measurement, *measured.rows.values())
        found = card(key)
        rows.append(
            (key, *(with_error(side.values[key], side.values.get(f"{key}{SE}", math.nan)) for side in sides), found.arrow, found.unit)
        )
    columns = ("metric", "value", *measured.rows, "", "unit")
    print_table(f"{measured.n:,} {measured.what} of {measured.source}, compared with {measured.dataset}", columns, rows)
    for key, reason in measured.measurement.reasons.items():
        say(f"{key}: {reason}")
    for kind, reason in measured.left_out.items():
        say(f"no reference row {kind}: {reason}")
    say(f"evaluation protocol {measured.protocol['all']}: compare only numbers of the same evaluation protocol")


def _print_scores(ended: Sequence[tuple[FinishedRun, RunResult]]) -> None:
    """Print the headline metric of each run before and after `score`."""
    from bench.metrics.columns import card, headline_among

    rows: list[tuple[Any, ...]] = []
    titles: set[str] = set()
    for run, result in ended:
        key = (
            result.headline or headline_among(result.values) or headline_among(run.before)
        )  # one metric in both columns, even if the headline changed
        titles |= {card(key).title} if key else set()
        values = (number(found.get(key or "", math.nan)) for found in (run.before, result.values))
        rows.append((run.variant, run.dataset, str(run.seed), *values, run.run_id, result.reason))
    title = " or ".join(sorted(titles)) or "headline"
    print_table(f"{pluralise(len(rows), 'run')} measured again", ("variant", "dataset", "seed", f"{title} before", "now", "run", ""), rows)
