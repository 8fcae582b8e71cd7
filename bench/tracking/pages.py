"""Everything that MLflow's searches find: they answer one page at a time. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from bench.core.errors import UserError, one_line

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run

PAGE = 1000  # results in one answer
OLDEST, NEWEST = "attributes.start_time ASC", "attributes.start_time DESC"  # orders of runs
_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,127}")  # MLflow's own are 32 hexadecimal digits
Found = TypeVar("Found")


def every_experiment(client: MlflowClient) -> list[Experiment]:
    """All experiments that are not deleted."""
    return _all(client.search_experiments, key=lambda experiment: experiment.experiment_id)


def every_run(client: MlflowClient, experiment_ids: Iterable[str], query: str = "", *, order: str = OLDEST) -> list[Run]:
    """All runs of some experiments that match a query and are not deleted."""
    ids = list(experiment_ids)
    if not ids:
        return []
    found: list[Run] = _all(client.search_runs, key=lambda run: run.info.run_id, experiment_ids=ids, filter_string=query, order_by=[order])
    return [checked(run) for run in found]


def first_run(client: MlflowClient, experiment_id: str, query: str, *, order: str = OLDEST) -> Run | None:
    """The first of those runs in this order; None where there is none. Reads no more than that one."""
    found = client.search_runs([experiment_id], filter_string=query, order_by=[order], max_results=1)
    return checked(found[0]) if found else None


def checked(run: Run) -> Run:
    """Return a run whose id is safe as the name of a folder. Raises a UserError for another id."""
    if not _ID.fullmatch(run.info.run_id):
        raise UserError(f"the tracking store has a run with the id {one_line(repr(run.info.run_id), most=80)}, which is not an id")
    return run


def _all(search: Callable[..., Any], *, key: Callable[[Found], str], **asked: Any) -> list[Found]:
    """The results of all pages, once each: what is added meanwhile moves others to the next page."""
    found: dict[str, Found] = {}
    token: str | None = None
    while True:
        page = search(**asked, max_results=PAGE, page_token=token)
        found |= {key(one): one for one in page}
        token = page.token
        if not token:
            return list(found.values())
