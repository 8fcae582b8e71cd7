"""Fixtures for all tests: tracking stores, the command `ganbench`, a browser, and an environment without the user's settings."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from bench.tracking import store

if TYPE_CHECKING:
    from bench.runs.types import RunResult


@pytest.fixture(autouse=True, scope="session")
def fast_disk() -> Iterator[None]:
    """Let neither files nor sqlite stores wait for the disk. Only after a crash of the machine would that make a difference."""

    def no_wait(connection: Any, _: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous = OFF")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        event.listen(Engine, "connect", no_wait)
        yield
        event.remove(Engine, "connect", no_wait)


@pytest.fixture(autouse=True)
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `auto` mean float32 and channels last, without measuring the processor."""
    from bench.core import environment
    from bench.runs import auto_choice

    choice = auto_choice.Choice(precision="fp32", memory_format="channels_last", processor=environment.cpu_name())
    monkeypatch.setattr(auto_choice, "choice_of_cpu", lambda *, save: choice)


@pytest.fixture(autouse=True)
def no_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the user's tracking store."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture(scope="session")
def migrated_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an empty sqlite store. MLflow needs seconds to create one, so tests copy it."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    store.create(f"sqlite:///{path}")
    return path


@pytest.fixture
def uri(migrated_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the URI of a new store, which is the default store of this test."""
    path = tmp_path / "mlflow.db"
    shutil.copy(migrated_store, path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{path}")
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def finished_suites(migrated_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """Return a function that returns a folder with the small suite of one variant and that number of seeds, which tests only read or copy."""
    import small

    folders: dict[tuple[int, object], Path] = {}

    def folder_of(seeds: int) -> Path:
        key = seeds, small.SETTINGS["evaluation.standard_errors"]
        if key not in folders:
            folder = tmp_path_factory.mktemp("finished")
            shutil.copy(migrated_store, folder / "mlflow.db")
            small.execute(f"sqlite:///{folder}/mlflow.db", folder / "runs", seeds=seeds, only="dcgan")
            folders[key] = folder
        return folders[key]

    return folder_of


@pytest.fixture
def executed(finished_suites: Callable[[int], Path], uri: str, tmp_path: Path) -> Callable[..., None]:
    """Return a faster `small.execute(uri, tmp_path / "runs", seeds=1, only="dcgan")` for a new store. It copies finished runs."""
    import small

    return lambda *, seeds=1: small.copy(finished_suites(seeds), tmp_path)


@pytest.fixture(scope="session")
def whole(migrated_store: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, RunResult]:
    """Return the URI and the result of the finished run `small.config()` in the experiment `whole`, which tests only read."""
    import small

    from bench.runs.runner import run

    folder = tmp_path_factory.mktemp("whole")
    shutil.copy(migrated_store, folder / "mlflow.db")
    uri = f"sqlite:///{folder}/mlflow.db"
    return uri, run(small.config(), small.context(uri, folder / "runs", "whole"))


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs the command `ganbench` in this process and returns (exit status, stdout, stderr)."""
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
    """Return `command`, with an empty working folder for the test."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return command


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Yield a headless Chromium."""
    from browsers import chromium

    with chromium() as launched:
        yield launched


@pytest.fixture(scope="module")
def standard_errors() -> Iterator[None]:
    """Let the runs and suites of `small` measure standard errors."""
    import small

    with pytest.MonkeyPatch.context() as patch:
        for settings in (small.SETTINGS, small.SUITE.settings):
            patch.setitem(settings, "evaluation.standard_errors", True)  # type: ignore[arg-type]
        yield


@pytest.fixture
def tables() -> Iterator[None]:
    """Restore the tables of metrics after a test that registers metrics."""
    from bench.metrics.columns import CARDS
    from bench.metrics.evidence import METRICS

    saved = dict(CARDS), dict(METRICS)
    yield
    for table, before in zip((CARDS, METRICS), saved, strict=True):
        table.clear()
        table.update(before)
