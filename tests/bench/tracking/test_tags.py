"""The tags for MLflow's columns Source, Version and User."""

from __future__ import annotations

import getpass

import pytest

from bench.tracking.tags import origin_tags


def test_a_run_has_its_source_version_and_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "ada")
    assert origin_tags("0123abc", True) == {
        "mlflow.source.name": "ganbench", "mlflow.source.type": "LOCAL", "mlflow.source.git.commit": "0123abc",
        "mlflow.source.git.dirty": "true", "mlflow.user": "ada",
    }  # fmt: skip


@pytest.mark.parametrize("error", [KeyError("uid not found: 1234"), OSError("no user"), ImportError("pwd")])
def test_unknown_origins_have_no_tag(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        raise error

    monkeypatch.setattr(getpass, "getuser", fail)
    assert origin_tags(None, None) == {"mlflow.source.name": "ganbench", "mlflow.source.type": "LOCAL"}
