"""The action for a planned run, from its recorded runs, its checkpoint and its pending writes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from bench.runs.action import Checkpoint, choose_action

OURS = Checkpoint(run_id="a", curve_protocol="q")


def recorded(status: str, run_id: str = "a", *, metrics: bool = True, **tags: str) -> Any:
    """Return a run as MLflow does."""
    found = {"status": status, "protocol": "p", "curve_protocol": "q", "owner": "host:1", **tags}
    return SimpleNamespace(
        info=SimpleNamespace(run_id=run_id), data=SimpleNamespace(tags=found, metrics={"train/loss_d": 1.0} if metrics else {})
    )


def action_for(*found: Any, **more: Any) -> tuple[str, str]:
    """Return (kind, run id) of the action."""
    action = choose_action(found, **{"protocol": "p", "curve_protocols": ["q"], **more})
    return action.kind, action.run_id


@pytest.mark.parametrize("extends", [False, True])
def test_a_new_run_is_trained_or_extends_a_shorter_run(extends: bool) -> None:
    assert action_for(extends=extends) == ("extend" if extends else "train", "")


@pytest.mark.parametrize("status", ["finished", "diverged", "pruned"])
def test_a_complete_run_is_skipped_unless_it_is_retrained(status: str) -> None:
    assert action_for(recorded("interrupted", "b"), recorded(status)) == ("skip", "a")
    assert action_for(recorded(status), retrain=True) == ("train", "")
    assert action_for(recorded("running"), pending={"a": status}) == ("skip", "a")
    assert action_for(recorded("running"), pending={"b": status}, checkpoint=OURS) == ("resume", "a")


def test_a_finished_run_of_another_protocol_is_scored() -> None:
    assert action_for(recorded("finished", protocol="old")) == ("score", "a")
    assert action_for(recorded("diverged", protocol="old")) == ("skip", "a")
    assert action_for(recorded("running", protocol="old"), pending={"a": "finished"}) == (
        "skip",
        "a",
    )  # its weights are not in the store yet


@pytest.mark.parametrize("status", ["interrupted", "failed", "running"])
def test_a_stopped_run_resumes_from_its_checkpoint(status: str) -> None:
    assert action_for(recorded(status), checkpoint=OURS) == ("resume", "a")
    assert action_for(recorded("failed", "b"), recorded(status), checkpoint=OURS) == ("resume", "a")
    assert action_for(recorded("running"), checkpoint=OURS, pending={"a": status}) == ("resume", "a")


def test_a_checkpoint_is_resumed_though_the_store_has_lost_its_run() -> None:
    assert action_for(checkpoint=OURS) == ("resume", "")
    assert action_for(recorded("failed", "b"), checkpoint=OURS) == ("resume", "")
    assert action_for(recorded("running", "b", metrics=False), checkpoint=OURS) == ("resume", "b")  # a run killed at its start
    for found in ([], [recorded("failed", "b")], [recorded("running", "b", metrics=False)]):
        assert not choose_action(found, protocol="p", curve_protocols=["q"], checkpoint=OURS).resumed
    assert choose_action([recorded("failed")], protocol="p", curve_protocols=["q"], checkpoint=OURS).resumed


def test_a_run_trained_elsewhere_is_left_to_its_process() -> None:
    assert action_for(recorded("running"), elsewhere=lambda run: True) == ("leave", "a")
    assert action_for(recorded("running", metrics=False), elsewhere=lambda run: True, retrain=True) == ("train", "")


def test_a_run_without_a_checkpoint_restarts() -> None:
    assert action_for(recorded("interrupted", metrics=False)) == ("train", "a")  # the same run, because the store has no points of it
    assert action_for(recorded("failed", metrics=False)) == ("train", "")
    assert action_for(recorded("interrupted")) == ("train", "")
    assert choose_action([recorded("interrupted")], protocol="p", curve_protocols=["q"]).lost


def test_evaluation_points_of_two_protocols_share_no_curve() -> None:
    for checkpoint in (OURS, None):
        action = choose_action([recorded("interrupted")], protocol="p", curve_protocols=["new"], checkpoint=checkpoint)
        assert (action.kind, action.run_id, bool(action.lost)) == ("train", "", True)
