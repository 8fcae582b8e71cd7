"""Searches of MLflow that return all pages of results. Does not import torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from bench.core.errors import UserError, one_line
from bench.tracking.tags import RUN_ID

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run

PAGE = 1000  # results in one page
OLDEST, NEWEST = "attributes.start_time ASC", "attributes.start_time DESC"  # sort orders of runs
Found = TypeVar("Found")


def every_experiment(client: MlflowClient) -> list[Experiment]:
    """Return all experiments that are not deleted."""
    return _all(client.search_experiments, key=lambda experiment: experiment.experiment_id)


def every_run(client: MlflowClient, experiment_ids: Iterable[str], query: str = "", *, order: str = OLDEST) -> list[Run]:
    """Return all runs of some experiments that match a query and are not deleted."""
    ids = list(experiment_ids)
    if not ids:
        return []
    found: list[Run] = _all(client.search_runs, key=lambda run: run.info.run_id, experiment_ids=ids, filter_string=query, order_by=[order])
    return [checked(run) for run in found]


def first_run(client: MlflowClient, experiment_id: str, query: str, *, order: str = OLDEST) -> Run | None:
    """Return the first run, in a sort order, that matches a query, or None. Reads only that run."""
    found = client.search_runs([experiment_id], filter_string=query, order_by=[order], max_results=1)
    return checked(found[0]) if found else None


def checked(run: Run) -> Run:
    """Return a run whose id is safe as the name of a folder. Raises a UserError for another id."""
    if not RUN_ID.fullmatch(run.info.run_id):
        raise UserError(
            f"the tracking store has a run with the id {one_line(repr(run.info.run_id), most=80)}, which is not a valid id; delete that run"
        )
    return run


def _all(search: Callable[..., Any], *, key: Callable[[Found], str], **query: Any) -> list[Found]:
    """Return the results of all pages, without duplicates. A run that is added during the search moves others to the next page."""
    found: dict[str, Found] = {}
    token: str | None = None
    while True:
        page = search(**query, max_results=PAGE, page_token=token)
        found |= {key(one): one for one in page}
        token = page.token
        if not token:
            return list(found.values())
