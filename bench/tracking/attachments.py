"""Upload of a report to MLflow, to the newest parent run of its suite."""

from __future__ import annotations

from bench.tracking import store
from bench.tracking.client import Lookup, Tracker
from bench.tracking.delivery import store_errors

REPORT = "report.html"  # artifact of the parent run
DESCRIPTION = "mlflow.note.content"  # MLflow's tag for the description of a run, in markdown


def attach_report(uri: str, suite: str, page: bytes, verdict: str) -> None:
    """Upload a report as an artifact of a suite's newest parent run, and its verdict as the description. Raises UserError."""
    with store_errors(uri), store.short_timeout():
        parent = Lookup.of(uri, suite).newest_parent()
        if parent:
            tracker = Tracker(uri, suite)
            tracker.artifact(parent, REPORT, page)
            tracker.tag(parent, {DESCRIPTION: verdict[:5000]})
