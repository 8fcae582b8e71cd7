"""What every test may use: a tracking store migrated once a session and copied, and an environment without the user's own settings."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.tracking import store


@pytest.fixture(autouse=True)
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test measures the processor, or caches that, to decide what `auto` means: it means float32 and channels last."""
    from bench.core import environment
    from bench.runs import auto_choice

    choice = auto_choice.Choice(precision="fp32", memory_format="channels_last", processor=environment.cpu_name())
    monkeypatch.setattr(auto_choice, "choice_of_cpu", lambda *, save: choice)


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


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """The command `ganbench` in this process: (exit status, standard output, standard error)."""
    from bench.cli import main

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["ganbench", *words])
        status = 0
        try:
            main()
        except SystemExit as stopped:
            status = int(stopped.code or 0)
        return status, *capsys.readouterr()

    return call


@pytest.fixture
def ganbench(
    command: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., tuple[int, str, str]]:
    """The command, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return command


@pytest.fixture
def tables() -> Iterator[None]:
    """Room for metrics of a test's own: the tables of metrics are afterwards as they were."""
    from bench.metrics.cards import CARDS
    from bench.metrics.evidence import METRICS

    kept = dict(CARDS), dict(METRICS)
    yield
    for table, before in zip((CARDS, METRICS), kept, strict=True):
        table.clear()
        table.update(before)
