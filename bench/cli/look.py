"""Commands that inspect the installation and fetch datasets: `ganbench list`, `data` and `doctor`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from bench.cli.common import app, print_table, say
from bench.cli.mistakes import Verbs
from bench.core.errors import UserError, nearest

data_app = typer.Typer(cls=Verbs, help="Fetch datasets.", no_args_is_help=True)
app.add_typer(data_app, name="data")


@app.command("list")
def list_(
    what: Annotated[str, typer.Argument(help="variants, datasets, metrics, suites, studies, spaces or networks")] = "variants",
) -> None:
    """List variants, datasets, metrics, suites, studies, spaces or networks."""
    from bench.cli import tables as catalogue_tables

    tables = catalogue_tables.TABLES
    if what not in tables:
        raise UserError(f"unknown list {what!r}" + nearest(what, tables))
    title, columns, rows = tables[what]()
    print_table(title, columns, rows)


@data_app.command("fetch")
def data_fetch(name: Annotated[str, typer.Argument(help="A registered dataset, or folder:PATH.")]) -> None:
    """Download a missing dataset and verify its hashes."""
    from bench.data.catalog import fetch

    source = fetch(name)
    say(f"{name} is on this machine, from {source}")


@app.command()
def doctor(
    network: Annotated[bool, typer.Option("--network", help="Also check that the sources of missing datasets answer.")] = False,
    deep: Annotated[bool, typer.Option("--deep", help="Also start Ray.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Check this machine: versions, devices, datasets, tracking store, Ray and disks. Print advice for each problem.

    The exit status is 1 if a required check fails.
    """
    from bench.cli.doctor import as_json, missing
    from bench.cli.doctor import doctor as examine
    from bench.cli.machine_checks import machine_facts

    checks = examine(network=network, deep=deep)
    if json_:
        say(json.dumps(as_json(checks), indent=2))
    else:
        print_table("machine", ("what", "found"), list(machine_facts().items()))
        rows = [(check.mark, check.name, check.found, check.advice) for check in checks]
        print_table("doctor", ("", "what", "found", "advice"), rows)
        failed = missing(checks)
        say(f"required checks that fail: {', '.join(failed)}" if failed else "all required checks pass")
    if missing(checks):
        raise typer.Exit(1)
