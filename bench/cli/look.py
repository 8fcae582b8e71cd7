"""Verbs that look at what is there: list, data, doctor."""

from __future__ import annotations

from typing import Annotated

import typer

from bench.cli.common import app, print_table, say
from bench.errors import UserError, nearest

data_app = typer.Typer(help="Data sets: what is here, and fetching what is not.", no_args_is_help=True)
app.add_typer(data_app, name="data")


@app.command("list")
def list_(what: Annotated[str, typer.Argument(help="variants, datasets, metrics, suites or networks")] = "variants") -> None:
    """What there is: variants, datasets, metrics, suites or networks."""
    from bench import catalogue_tables

    tables = catalogue_tables.TABLES
    if what not in tables:
        raise UserError(f"there is no list of {what!r}" + nearest(what, tables))
    title, columns, rows = tables[what]()
    print_table(title, columns, rows)


@data_app.command("fetch")
def data_fetch(name: Annotated[str, typer.Argument(help="A registered dataset.")]) -> None:
    """Have a dataset's bytes on this machine, verified by hash."""
    from bench.data.catalog import fetch

    source = fetch(name)
    say(f"{name} is here, from {source}")


@app.command()
def doctor() -> None:
    """Check this machine: versions, devices, data, store, Ray, disk; with advice for each thing that is missing."""
    from bench.doctor import doctor as examine

    checks = examine()
    print_table(
        "doctor", ("", "what", "found", "advice"), [("ok" if check.ok else "--", check.name, check.found, check.advice) for check in checks]
    )
