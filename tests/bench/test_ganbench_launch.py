"""Tests of the command `ganbench` where a user's files have the names of its packages."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.core import source_hash
from bench.ganbench_launch import PACKAGES, hidden_package

ROOT = Path(__file__).resolve().parents[2]


def package(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    (folder / name / "__init__.py").touch()
    return folder / name


def module(folder: Path, name: str) -> Path:
    (folder / f"{name}.py").write_text("x = 1\n")
    return folder / f"{name}.py"


def plain_folder(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    (folder / name / "run.csv").touch()
    return folder / name


def call(mine: Path, *words: str) -> tuple[int, str]:
    """Run a copy of the installed command with `mine` first on the path, and return (exit status, stderr)."""
    copy = mine.parent / "installed"
    copy.mkdir(exist_ok=True)
    (copy / "ganbench_launch.py").write_bytes((ROOT / "bench" / "ganbench_launch.py").read_bytes())
    code = "import sys; from ganbench_launch import main; sys.argv = ['ganbench', *sys.argv[1:]]; main()"
    path = os.pathsep.join(map(str, (mine, copy, ROOT)))
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, *words], cwd=mine, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False
    )  # fmt: skip
    return done.returncode, done.stderr


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    (tmp_path / "mine").mkdir()
    return tmp_path / "mine"


@pytest.mark.parametrize("name", PACKAGES)
@pytest.mark.parametrize("make", [package, module])
def test_what_hides_a_package_is_named_in_one_line(mine: Path, name: str, make: Callable[[Path, str], Path]) -> None:
    """The command reports the file or folder that hides a package in one line."""
    file = make(mine, name)
    status, output = call(mine, "list", "studies")
    assert (status, output.count("\n")) == (2, 1), output
    assert output.startswith(f"ganbench: {file} hides the package '{name}'")
    assert f"take {mine} off PYTHONPATH" in output


def test_a_folder_without_init_hides_nothing(mine: Path) -> None:
    """Python prefers a package later on the path to a folder without `__init__.py`."""
    for name in PACKAGES:
        plain_folder(mine, name)
    assert call(mine, "--help") == (0, "")


def test_the_packages_are_those_that_are_shipped() -> None:
    shipped = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert sorted(PACKAGES) == sorted(source_hash.PACKAGES) == sorted(shipped)
    assert hidden_package() is None


def test_what_is_installed_beside_is_to_be_uninstalled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site-packages"
    site.mkdir()
    package(site, "reports")
    monkeypatch.syspath_prepend(site)
    for name in [name for name in sys.modules if name.partition(".")[0] == "reports"]:
        monkeypatch.delitem(sys.modules, name)
    line = hidden_package() or ""
    assert line.startswith(str(site / "reports"))
    assert "uninstall" in line
