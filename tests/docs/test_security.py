"""SECURITY.md names existing tests and settings of the code."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from bench.cli import ui

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
TESTS = sorted(set(re.findall(r"`(tests/[\w/.]+\.py)`", PAGE)))


def test_tests_are_named() -> None:
    assert len(TESTS) >= 10


@pytest.mark.parametrize("path", TESTS)
def test_a_named_test_exists(path: str) -> None:
    assert re.search(r"^def test_", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("name", ["MLFLOW_DISABLE_TELEMETRY", "RAY_USAGE_STATS_ENABLED"])
def test_telemetry_is_turned_off(name: str) -> None:
    assert name in PAGE
    assert any(f'setdefault("{name}"' in path.read_text(encoding="utf-8") for path in (ROOT / "bench").rglob("*.py"))


def test_the_ui_listens_on_this_machine_only() -> None:
    assert ui.HOST == "127.0.0.1"
    servers = [path for path in (ROOT / "bench").rglob("*.py") if '"mlflow", "server"' in path.read_text(encoding="utf-8")]
    assert servers == [Path(ui.__file__)]
    assert '[*SERVER, "--host", HOST, ' in servers[0].read_text(encoding="utf-8")
    assert not re.search(r"mlflow (ui|server)", (ROOT / "Makefile").read_text(encoding="utf-8"))


def test_the_code_opens_no_port() -> None:
    opens = re.compile(r"\.bind\(|\.listen\(|HTTPServer|socketserver|create_server|asyncio\.start")
    files = [path for package in ("bench", "variants", "studies", "reports") for path in (ROOT / package).rglob("*.py")]
    assert [str(path) for path in files if opens.search(path.read_text(encoding="utf-8"))] == []


def test_it_is_part_of_the_source_distribution() -> None:
    included = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    assert "/SECURITY.md" in included
