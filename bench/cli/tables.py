"""Tables of `ganbench list`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bench.core.registry import load_catalogs
from bench.metrics.columns import CARDS

if TYPE_CHECKING:
    from bench.core.spec import DataShape

Rows = tuple[str, tuple[str, ...], Sequence[tuple[str, ...]]]  # title, columns, rows


def variants() -> Rows:
    """Return the table of all registered variants, with ideas and hyperparameters."""
    from bench.core.config import VARIANTS

    rows = [
        (name, variant.idea, variant.networks, variant.paper, f"{variant.recipe.lr_g:g}", str(getattr(variant.recipe, "k", "")))
        for name, variant in VARIANTS
    ]
    return "variants", ("name", "idea", "networks", "paper", "lr_g", "k"), rows


def datasets() -> Rows:
    """Return the table of all registered datasets, with those on this machine marked."""
    from bench.core.config import DATASETS
    from bench.data.catalog import available

    rows: list[tuple[str, ...]] = [
        (name, dataset.title, dataset.spec.task, _shape(dataset.spec), str(dataset.spec.classes), available(name) or "yes")
        for name, dataset in DATASETS
    ]
    what = "a folder of images, with or without a subfolder for each class, or of pairs or two sides: docs/own-data.md"
    rows.append(("folder:PATH", what, "", "", "", "yours"))
    return "datasets", ("name", "what", "task", "shape", "classes", "here"), rows


def _shape(spec: DataShape) -> str:
    """Return the shape of one example, after that of a given one if it differs: 1x7x7 to 1x28x28."""
    shapes = dict.fromkeys("x".join(map(str, shape)) for shape in (spec.given, spec.shape) if shape)
    return " to ".join(shapes)


def metrics() -> Rows:
    """Return the table of all metrics, including those of installed catalogues."""
    load_catalogs()
    rows = [(card.key, card.arrow, card.unit, card.meaning, card.citation) for card in CARDS.values()]
    return "metrics", ("key", "", "unit", "meaning", "from"), rows


def suites() -> Rows:
    """Return the table of all registered suites."""
    from bench.scheduling.suite import SUITES

    rows = [
        (
            name,
            suite.idea,
            str(len(suite.entries)),
            str(len(suite.seeds)),
            ", ".join(suite.datasets),
            _budget(suite.settings),
            suite.track,
        )
        for name, suite in SUITES
    ]
    return "suites", ("name", "idea", "variants", "seeds", "data", "budget a run", "track"), rows


def studies() -> Rows:
    """Return the table of all registered studies."""
    from studies.study import STUDIES

    load_catalogs()
    rows = [
        (name, study.idea, str(len(study.entries)), study.space, str(study.trials), study.sampler, study.pruner, _budget(study.settings))
        for name, study in STUDIES
    ]
    return "studies", ("name", "idea", "variants", "space", "trials", "sampler", "pruner", "budget a run"), rows


def spaces() -> Rows:
    """Return the table of all search spaces, with their keys."""
    from studies.spaces import SPACES

    rows = [(name, space.idea, "; ".join(dimension.words for dimension in space.dimensions)) for name, space in SPACES]
    return "spaces", ("name", "idea", "keys"), rows


def _budget(settings: Mapping[str, Any]) -> str:
    """Return the budget of a suite or study as text. Its entries may override this budget."""
    from bench.core.config import Budget

    units = {path.removeprefix("budget."): value for path, value in settings.items() if path.startswith("budget.")}
    return str(Budget.model_validate({"images": None, **units} if units else {}))


def networks() -> Rows:
    """Return the table of all registered networks."""
    from bench.core.config import NETWORKS

    return "networks", ("name", "idea"), [(name, backbone.idea) for name, backbone in NETWORKS]


TABLES: dict[str, Callable[[], Rows]] = {
    "variants": variants,
    "datasets": datasets,
    "metrics": metrics,
    "suites": suites,
    "networks": networks,
    "studies": studies,
    "spaces": spaces,
}
