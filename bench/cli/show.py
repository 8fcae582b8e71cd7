"""The verb that shows all of a variant: show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.common import Settings, app, console, parse_settings, say
from bench.core.errors import UserError

if TYPE_CHECKING:
    from bench.core.config import RunConfig
    from reports.document import Document

AUTO = "auto"


@app.command()
def show(
    variant: Annotated[str, typer.Argument(help="A registered variant, or module:OBJECT.")],
    dataset: Annotated[
        str, typer.Option(help="The data whose shape the networks are built for; auto: Fashion-MNIST's, or the first that fits.")
    ] = AUTO,
    set_: Settings = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Markdown instead of plain text.")] = False,
) -> None:
    """All of a variant on one page: losses, what happens in a round, layers, every number, differences from the publication, source lines.

    Builds the networks and computes each loss once on random data. Trains nothing and records nothing.
    """
    from bench.cli.plain_text import WIDTH, plain_text
    from bench.core.config import config_for
    from reports.markdown import markdown as as_markdown

    document = _page(config_for(variant, parse_settings(set_)), dataset)
    say((as_markdown(document).text if markdown else plain_text(document, min(WIDTH, console.width))).rstrip("\n"))


def _page(config: RunConfig, dataset: str) -> Document:
    """The page for a dataset; for `auto` the first that the networks can be built for, which the page names."""
    from bench.cli.variant_page import page
    from bench.core.config import DATASETS

    refused: UserError | None = None
    for name in _fitting(config.networks) if dataset == AUTO else (dataset,):
        try:
            return page(config.model_copy(update={"dataset": name, "device": "cpu"}), DATASETS.get(name))
        except UserError as error:
            refused = refused or error
    assert refused is not None  # there is always a dataset
    raise refused


def _fitting(networks: str) -> list[str]:
    """All registered datasets: first those of the kind that the networks name first, among them the one that `auto` prefers."""
    from bench.core.config import DATASETS, NETWORKS
    from bench.data.catalog import PREFERRED

    kinds = next((getattr(backbone, "kinds", ()) for name, backbone in NETWORKS if name == networks), ())
    return sorted(DATASETS.names(), key=lambda name: (DATASETS.get(name).spec.kind != next(iter(kinds), "image"), name != PREFERRED))
