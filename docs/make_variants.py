"""Write docs/variants.md and its images: the definition of each variant, and its results in a recorded suite.

    ganbench suite catalogue
    python docs/make_variants.py

The definitions come from the registry, the results from the store (MLFLOW_TRACKING_URI, else ./mlflow.db). Every registered variant
has a section. The page marks variants without runs in the suite.
"""

from __future__ import annotations

import argparse
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from statistics import fmean

import pandas as pd
from PIL import Image

from bench.cli.variant_page import changed, number, paper_link
from bench.core.atomic_files import write_atomic
from bench.core.config import VARIANTS
from bench.core.spec import Variant
from bench.metrics.columns import FID_DISTILLED, card
from bench.tracking import results, store
from reports.cohort import settings_of
from variants.formulas import SYMBOLS

DOCS = Path(__file__).parent
PAGE, PICTURES = DOCS / "variants.md", DOCS / "images" / "variants"
MORE = ("modes/class_accuracy", "quality/intra_fid_classifier")  # the page also has these for conditional models
ROWS = 3  # an image has the first 3 of the 8 rows of a grid
IN_FORMULA = ("loss",)  # settings of a recipe that its formula shows


@dataclass(frozen=True, kw_only=True)
class Suite:
    """Frozen record of the runs of a suite."""

    name: str
    found: results.Results

    def runs(self, variant: str) -> pd.DataFrame:
        """Return the runs of a variant on images, one row for each seed."""
        runs = self.found.runs
        return runs[(runs["kind"] == "run") & (runs["variant"] == variant) & (runs["headline"] == FID_DISTILLED)].sort_values("seed")

    def reference(self, kind: str) -> float:
        """Return the headline metric of the reference row `real` or `untrained`."""
        runs = self.found.runs
        return float(runs[(runs["kind"] == "reference") & (runs["variant"] == kind)][FID_DISTILLED].iloc[0])


def page(suite: Suite) -> str:
    """Return the text of docs/variants.md."""
    entries = list(VARIANTS)
    families = [(family, [name for name, _ in group]) for family, group in groupby(entries, key=lambda entry: entry[1].family)]
    return "\n".join([*_head(suite, families), *(line for name, variant in entries for line in _section(suite, name, variant))])


def _head(suite: Suite, families: Sequence[tuple[str, Sequence[str]]]) -> Iterator[str]:
    seeds, title = suite.found.runs.query("kind == 'run'")["seed"].nunique(), card(FID_DISTILLED).title
    yield "# Variants\n"
    yield "After this page you can choose a variant. You also know its loss, networks, hyperparameters and differences from the publication.\n"
    yield "```sh\nganbench show dcgan                          # the full definition of a variant\nganbench run dcgan                           # train and measure it\n```\n"
    yield (
        f"`ganbench suite {suite.name} && python docs/make_variants.py --suite {suite.name}` writes this page. A test compares it with the registry.\n"
    )
    yield (
        f"{title[0].upper()}{title[1:]} comes from the suite `{suite.name}` on Fashion-MNIST ({'one seed' if seeds == 1 else f'{seeds} seeds, mean'}; lower is better). The suite has a budget of minutes, narrow networks and no search for hyperparameters.\n"
        f"It shows only that a variant trains. An untrained generator has {suite.reference('untrained'):.1f}, and real training images have {suite.reference('real'):.2f}. "
        "To compare variants at your budget, run a suite with several seeds, or a study.\n"
    )
    yield "Symbols in the formulas:\n"
    yield from (f"- {meaning}" for meaning in SYMBOLS.values())
    yield ""
    for family, names in families:
        yield f"## {family or 'Others'}\n"
        yield f"| variant | idea | {title} |"
        yield "|---|---|---|"
        for name in names:
            runs = suite.runs(name)
            yield f"| [{name}](#{name}) | {VARIANTS.get(name).idea} | {_figure(runs, FID_DISTILLED)} |"
        yield ""


def _section(suite: Suite, name: str, variant: Variant) -> Iterator[str]:
    summary, *listed = facts(variant)
    yield f"### {name}\n"
    yield f"{summary}\n"
    yield from listed
    yield from _measured(suite, name)
    yield ""


def facts(variant: Variant) -> list[str]:
    """Return the registered definition of a variant, as lines of markdown."""
    lines = [
        f"{variant.idea[0].upper()}{variant.idea[1:]}. {_paper(variant.paper)}{_also(variant)}",
        f"- **Loss**: {variant.objective(variant.recipe).formula}",
        f"- **Networks**: `{variant.networks}`",
        f"- **Hyperparameters**: {_hyperparameters(variant)}",
    ]
    return [*lines, *_differences(variant.note)]


def _differences(note: str) -> list[str]:
    """Return the parts of a note, one line each. A semicolon separates parts, except in parentheses."""
    first, *more = re.split(r"; (?![^()]*\))", note)
    if not more:
        return [f"- **Notes**: {first}"] if first else []
    return ["- **Notes**:", *(f"    - {part}" for part in (first, *more))]


def _measured(suite: Suite, name: str) -> Iterator[str]:
    runs = suite.runs(name)
    if runs.empty:
        yield f"- **Measured**: not in the suite `{suite.name}`"
        return
    more = "".join(f", {card(key).title} {_figure(runs, key)}" for key in MORE if key in runs and runs[key].notna().any())
    settings = settings_of(runs["overrides"].iloc[0])
    changed = ", ".join(f"`{path}={value}`" for path, value in settings.items() if path.startswith(("recipe.", "networks")))
    yield f"- **Measured**: {card(FID_DISTILLED).title} {_figure(runs, FID_DISTILLED)}{more}{f' with {changed}' if changed else ''}"
    if _picture_of(suite, str(runs["run_id"].iloc[0])) is not None:
        yield f"\n![Samples of {name}](images/variants/{name}.png)"


def pictures(suite: Suite) -> Iterator[tuple[Path, bytes]]:
    """Return (path, PNG bytes): the first rows of the final grid of each variant's lowest seed."""
    for name, _ in VARIANTS:
        runs = suite.runs(name)
        content = None if runs.empty else _picture_of(suite, str(runs["run_id"].iloc[0]))
        if content is not None:
            yield PICTURES / f"{name}.png", content


def _picture_of(suite: Suite, run_id: str) -> bytes | None:
    path = suite.found.artifact(run_id, results.FINAL_GRID)
    if path is None:
        return None
    with Image.open(path) as grid:
        side = (grid.height - 1) // 8
        buffer = io.BytesIO()
        grid.crop((0, 0, grid.width, 1 + ROWS * side)).resize((2 * grid.width, 2 * (1 + ROWS * side)), Image.Resampling.NEAREST).save(
            buffer, format="PNG", optimize=True
        )
    return buffer.getvalue()


def _figure(runs: pd.DataFrame, key: str) -> str:
    values = [float(value) for value in runs[key].dropna()] if key in runs else []
    if not values:
        return "–"
    return f"{fmean(values):#.3g}".removesuffix(".")


def _paper(paper: str) -> str:
    link = paper_link(paper)
    return f"[{paper}]({link})" if link else paper


def _also(variant: Variant) -> str:
    named = f" Also `{'`, `'.join(variant.aliases)}`." if variant.aliases else ""
    return named + (" Needs labels." if variant.needs_labels else "")


def _hyperparameters(variant: Variant) -> str:
    """Return the hyperparameters of the recipe that differ from the defaults of its kind, and the learning rates."""
    recipe = variant.recipe
    always = [name for name in ("batch_size", "lr_g", "lr_d", "k") if name in type(recipe).model_fields]
    named = dict.fromkeys([*always, *(name for name in changed(recipe) if name not in IN_FORMULA)])
    return ", ".join(f"`{name}` {number(getattr(recipe, name))}" for name in named)


def main() -> None:
    """Write the page and its images."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", default="catalogue")
    parser.add_argument("--docs", type=Path, default=DOCS, help="the folder of variants.md and images/")
    options = parser.parse_args()
    found = Suite(name=options.suite, found=results.load(store.tracking_uri(None), (options.suite,)))
    for path, content in pictures(found):
        target = options.docs / path.relative_to(DOCS)
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(target, content)
    write_atomic(options.docs / PAGE.name, page(found).encode())


if __name__ == "__main__":
    main()
