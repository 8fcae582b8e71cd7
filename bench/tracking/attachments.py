"""A report kept in MLflow, with the execution that it is of."""

from __future__ import annotations

from bench.tracking import store
from bench.tracking.client import Lookup, Tracker
from bench.tracking.delivery import answering

REPORT = "report.html"  # of the run that stands for an execution
DESCRIPTION = "mlflow.note.content"  # what MLflow shows at the head of a run, as markdown


def attach_report(uri: str, suite: str, page: bytes, verdict: str) -> None:
    """Keep a report with the newest execution of a suite, as an artifact, and its verdict as that run's description. UserError where it cannot be."""
    with answering(uri), store.impatient():
        parent = Lookup.of(uri, suite).newest_parent()
        if parent:
            tracker = Tracker(uri, suite)
            tracker.artifact(parent, REPORT, page)
            tracker.tag(parent, {DESCRIPTION: verdict[:5000]})
