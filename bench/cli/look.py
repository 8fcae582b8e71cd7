"""Verbs that look at what is there: list, data, doctor."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from bench.cli.common import app, print_table, say
from bench.cli.mistakes import Verbs
from bench.core.errors import UserError, nearest

data_app = typer.Typer(cls=Verbs, help="Data sets: what is here, and fetching what is not.", no_args_is_help=True)
app.add_typer(data_app, name="data")


@app.command("list")
def list_(
    what: Annotated[str, typer.Argument(help="variants, datasets, metrics, suites, studies, spaces or networks")] = "variants",
) -> None:
    """What there is: variants, datasets, metrics, suites, studies, spaces or networks."""
    from bench.cli import tables as catalogue_tables

    tables = catalogue_tables.TABLES
    if what not in tables:
        raise UserError(f"there is no list of {what!r}" + nearest(what, tables))
    title, columns, rows = tables[what]()
    print_table(title, columns, rows)


@data_app.command("fetch")
def data_fetch(name: Annotated[str, typer.Argument(help="A registered dataset, or folder:PATH.")]) -> None:
    """Have a dataset's bytes on this machine, verified by hash."""
    from bench.data.catalog import fetch

    source = fetch(name)
    say(f"{name} is here, from {source}")


@app.command()
def doctor(
    network: Annotated[
        bool, typer.Option("--network", help="Ask the sources of data that is not here whether they can be reached.")
    ] = False,
    deep: Annotated[bool, typer.Option("--deep", help="Start Ray, too.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Check this machine: versions, devices, data, store, Ray, disk; with advice for each thing that is missing.

    Exit status 1 if something is missing that nothing works without.
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
        needed = missing(checks)
        say(f"needed and not well: {', '.join(needed)}" if needed else "all that is needed is here")
    if missing(checks):
        raise typer.Exit(1)
