"""Named views of experiments in MLflow's pages: "By variant", "Every seed" and "Samples", and links that open them. Does not import torch.

The views follow from the recorded runs, so writing them again changes nothing. ganbench writes only its own keys: views that a user
saves have other keys.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from bench.core.colours import COLOURS, GREY, colours_of
from bench.core.errors import UserError
from bench.metrics.columns import BEST, IMAGES_PER_SECOND
from bench.tracking import logged_images, store
from bench.tracking.comparison import RUN, Comparison, compare, standard_errors
from bench.tracking.delivery import store_errors
from bench.tracking.pages import every_experiment, every_run
from bench.tracking.tags import EXPERIMENT_KIND, MODEL_TRAINING
from bench.tracking.view_state import LONGEST, PREFIX, GroupBy, Section, packed, unpacked, view_state

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run

log = logging.getLogger(__name__)
BY_VARIANT, EVERY_SEED, SAMPLES = "ganbench-by-variant", "ganbench-every-seed", "ganbench-samples"  # keys of the views
NAMES = {BY_VARIANT: "By variant", EVERY_SEED: "Every seed", SAMPLES: "Samples"}
COLOUR = "mlflow.runColor"
# Metrics beside the headline, in this order. An experiment shows those that its runs have.
MAIN = (
    "quality/fid_distilled", "quality/fid_classifier", "quality/fid_photo", "quality/fid_inception", "quality/precision_classifier",
    "quality/recall_classifier", "diversity/vendi_score", "diversity/pairwise_distance", "modes/classes_covered", "modes/class_kl", "modes/found", "modes/high_quality",
    "modes/collapse",
)  # fmt: skip
LOSSES = ("train/loss_d", "train/loss_g")
SPEED = IMAGES_PER_SECOND


@dataclass(frozen=True, kw_only=True)
class PreparedExperiment:
    """Experiment with runs of ganbench, and whether its views are in the store."""

    experiment_id: str
    name: str
    has_views: bool

    def link(self, server: str) -> str:
        """Return the link to the comparison by variant in MLflow's pages, or to the plain page if the view is not in the store."""
        given = {"workflowType": "machine_learning", "compareRunsMode": "CHART"} | (
            {"viewStateShareKey": BY_VARIANT} if self.has_views else {}
        )
        return f"{server.rstrip('/')}/#/experiments/{self.experiment_id}/runs?{urlencode(given)}"


def prepare_views(uri: str, client: MlflowClient, names: Sequence[str] = ()) -> list[PreparedExperiment]:
    """Write the views, the kind and the colours of experiments with runs of ganbench.

    Returns these experiments, those with the newest runs first, and the reference rows last. `names` selects experiments; by default all.
    Logs a warning if the store refuses a write. Raises UserError if the store does not answer.
    """
    found: list[tuple[bool, int, PreparedExperiment]] = []
    with store_errors(uri):
        for experiment in every_experiment(client):
            runs = every_run(client, [experiment.experiment_id]) if not names or experiment.name in names else []
            comparison = compare(runs)
            if comparison is not None:
                newest = max(int(run.info.start_time or 0) for run in runs)
                found.append((comparison.kind == RUN, newest, _prepare(uri, client, experiment, runs, comparison)))
    return [prepared for *_, prepared in sorted(found, key=lambda entry: entry[:2], reverse=True)]


def update_views(uri: str, client: MlflowClient, experiment: str) -> None:
    """Write the views of one experiment after its runs. Logs a warning if the store does not answer."""
    try:
        with store.short_timeout():
            prepare_views(uri, client, (experiment,))
    except UserError as error:
        log.warning("cannot write the views of %r in MLflow's pages: %s; `ganbench ui` writes them later", experiment, error)


def _prepare(uri: str, client: MlflowClient, experiment: Experiment, runs: Sequence[Run], comparison: Comparison) -> PreparedExperiment:
    """Write what is missing or outdated in one experiment."""
    experiment_id, tags = str(experiment.experiment_id), dict(experiment.tags)
    created = int(experiment.creation_time or 0)
    try:
        with store_errors(uri):
            for key, value in _outdated(tags, created, comparison):
                client.set_experiment_tag(experiment_id, key, value)
                tags[key] = value
            for run_id, colour in _missing_colours(runs, comparison):
                client.set_tag(run_id, COLOUR, colour, synchronous=True)
    except UserError as error:
        log.warning("cannot write the views of %r in MLflow's pages: %s; `ganbench ui` writes them later", experiment.name, error)
    return PreparedExperiment(experiment_id=experiment_id, name=str(experiment.name), has_views=PREFIX + BY_VARIANT in tags)


def _outdated(tags: dict[str, str], created: int, comparison: Comparison) -> Iterator[tuple[str, str]]:
    """Yield the tags of an experiment that are missing or outdated. A kind that the user has chosen stays."""
    kind = tags.get(EXPERIMENT_KIND, "")
    if not kind or kind.endswith("_inferred"):
        yield EXPERIMENT_KIND, MODEL_TRAINING
    states = {BY_VARIANT: by_variant(comparison), EVERY_SEED: every_seed(comparison)}
    states |= {SAMPLES: samples(comparison)} if comparison.last_image is not None else {}
    for key, state in states.items():
        value = packed(NAMES[key], created, state)
        if unpacked(tags.get(PREFIX + key, "")) != unpacked(value):  # other versions of zlib compress differently
            yield PREFIX + key, value


def _missing_colours(runs: Sequence[Run], comparison: Comparison) -> Iterator[tuple[str, str]]:
    """Yield the runs without the colour of their variant, as in the report of their suite. A colour that the user has chosen stays."""
    ours = [run for run in runs if run.data.tags.get("kind") == comparison.kind]
    colours = colours_of(run.data.tags.get("variant", "") for run in ours) if comparison.kind == RUN else {}
    for run in ours:
        colour, now = colours.get(run.data.tags.get("variant", ""), GREY), run.data.tags.get(COLOUR)
        if now != colour and (now is None or now in COLOURS) and run.data.tags.get("status") != "running":
            yield str(run.info.run_id), colour


def by_variant(comparison: Comparison) -> dict[str, Any]:
    """Return the view of finished runs, grouped by variant: bars of the main metrics, and curves against images."""
    main = [key for key in MAIN if key in comparison.metrics and key not in comparison.headlines]
    bars = Section(name="Comparison", bars=[*comparison.headlines, *main])
    return _state(comparison, bars, query=comparison.query, group_by=comparison.group_by)


def every_seed(comparison: Comparison) -> dict[str, Any]:
    """Return the view of all runs, whatever their status, in the colours of their variants."""
    columns = [
        *(f"metrics.`{key}`" for key in comparison.headlines), "tags.`status`", "tags.`seed`",
        *(f"params.`{path}`" for path in comparison.budgets), f"metrics.`{SPEED}`",
    ]  # fmt: skip
    bars = Section(name="Every seed", bars=comparison.headlines)
    return _state(comparison, bars, query=f"tags.kind = '{comparison.kind}'", columns=columns)


def samples(comparison: Comparison) -> dict[str, Any]:
    """Return the view of the sample grids of the lowest seed, with MLflow's slider over steps. MLflow shows no images of grouped runs."""
    images = Section(name="Samples", images=[(logged_images.SAMPLES, comparison.last_image or 0)])
    return _state(comparison, images, query=f"{comparison.query} and tags.seed = '{comparison.lowest_seed}'")


def _state(
    comparison: Comparison, first: Section, *, query: str, group_by: GroupBy | None = None, columns: Sequence[str] = ()
) -> dict[str, Any]:
    """Return a state with a first section, curves and closed sections with all other metrics, but without charts of standard errors."""
    curves = Section(name="Against images", curves=[*comparison.headlines, *(key for key in LOSSES if key in comparison.metrics)])
    groups = sorted({key.rpartition("/")[0] for key in comparison.metrics} - {""}, key=lambda group: (group.startswith(BEST), group))
    closed = [Section(name=group, is_open=False) for group in groups]
    state = partial(
        view_state, query=query, order_by=f"metrics.`{comparison.headlines[0]}`", ascending=comparison.ascending, group_by=group_by,
        columns=columns, sections=[first, *([curves] if comparison.kind == RUN else []), *closed],
    )  # fmt: skip
    whole = state(without=standard_errors(comparison.metrics))
    return whole if len(packed(NAMES[BY_VARIANT], 10**13, whole)) <= LONGEST else state()
