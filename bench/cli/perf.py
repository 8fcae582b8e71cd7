"""Command `ganbench perf`, which measures the speed of ganbench itself."""

from __future__ import annotations

import json as json_
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.common import app, print_table, say


@app.command()
def perf(
    only: Annotated[str, typer.Option(metavar="PARTS", help="The parts to measure: some of loops,run,quality.")] = "loops,run,quality",
    models: Annotated[str, typer.Option(metavar="MODELS", help="The models to train: some of mlp,dcgan.")] = "mlp,dcgan",
    turns: Annotated[int, typer.Option(help="Number of turns of each loop.")] = 5,
    seconds: Annotated[float, typer.Option(help="Duration of a turn.")] = 2.0,
    dataset: Annotated[str, typer.Option(help="The dataset; auto: Fashion-MNIST, else digits.")] = "auto",
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder for perf.json and perf.svg.")] = Path("build/perf"),
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Measure the harness on this machine: train() beside a tutorial loop and a bare loop, whole runs, and time to quality.

    This takes minutes. Other programs change the rates and seconds, but not the ratios of loops.
    """
    from bench.perf.measure import Setting, measure
    from bench.perf.report import as_json, draw, notes, rate_rows, ratio_rows
    from reports.io import check_folder, write_all

    setting = Setting(models=_names(models), parts=_names(only), turns=turns, seconds=seconds, dataset=dataset)
    setting.check()
    check_folder(out, "--out")
    speed = measure(setting)
    found = json_.dumps(as_json(speed), indent=2)
    write_all({out / "perf.json": found.encode(), out / "perf.svg": draw(speed)}, "the measurements")
    if json:
        say(found)
        return
    if rows := rate_rows(speed):
        print_table("images a second", ("model", "loop", "threads", "images/s", "spread", "MB beyond torch"), rows)
    if ratios := ratio_rows(speed):
        print_table("ratios", ("ratio", "value", "meaning"), ratios)
    for line in notes(speed):
        say(line)
    say(f"{out / 'perf.json'}, {out / 'perf.svg'}")


def _names(text: str) -> tuple[str, ...]:
    """Return the parts of a comma-separated option, without duplicates."""
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
