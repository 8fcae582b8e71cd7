"""What every test may use: a tracking store migrated once a session and copied, and an environment without the user's own settings."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bench import store


@pytest.fixture(scope="session")
def migrated_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty sqlite store; its migration takes seconds, so it is done once."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    store.create(f"sqlite:///{path}")
    return path


@pytest.fixture
def uri(migrated_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URI of a store of this test's own, which is also the default of everything that asks."""
    path = tmp_path / "mlflow.db"
    shutil.copy(migrated_store, path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{path}")
    return f"sqlite:///{path}"
