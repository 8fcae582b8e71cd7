"""Tests of the distribution: its files, ignore rules, requirements and version, and its use without the repository."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bench.core.config import VARIANTS

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LAUNCH = "ganbench_launch.py"  # in bench/ of the repository, but installed at the top level
HARMLESS = {"__pycache__/", "*.egg-info/"}  # may match in any folder, because no source has such a name


def packages() -> list[str]:
    return PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


def test_every_top_level_package_is_shipped_checked_and_linted():
    existing = sorted(path.parent.name for path in ROOT.glob("*/__init__.py"))
    assert sorted(packages()) == existing
    assert sorted(PROJECT["tool"]["mypy"]["files"]) == existing
    assert sorted(PROJECT["tool"]["importlinter"]["root_packages"]) == existing


def test_ignore_rules_are_anchored():
    rules = [line.strip() for line in (ROOT / ".gitignore").read_text().splitlines() if line.strip() and not line.startswith("#")]
    assert [rule for rule in rules if not rule.startswith("/") and rule not in HARMLESS] == []


def test_no_source_is_ignored():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    files = [
        str(path.relative_to(ROOT))
        for name in (*packages(), "tests")
        for path in (ROOT / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    ignored = subprocess.run(
        ["git", "check-ignore", "--stdin"], cwd=ROOT, input="\n".join(files), capture_output=True, text=True, check=False
    )
    assert ignored.returncode in (0, 1), ignored.stderr
    assert ignored.stdout.splitlines() == []


def test_catalogues_are_modules_of_the_packages():
    for module in PROJECT["project"]["entry-points"]["ganbench.catalogs"].values():
        assert module.partition(".")[0] in packages()
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def locked() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return {
        canonicalize_name(name): version
        for name, equals, version in (line.partition("==") for line in lines if not line.startswith(("#", " ")))
        if equals
    }


def test_the_lock_satisfies_every_requirement():
    extras = PROJECT["project"]["optional-dependencies"]
    wanted = [
        Requirement(text)
        for texts in (PROJECT["project"]["dependencies"], PROJECT["build-system"]["requires"], *extras.values())
        for text in texts
    ]
    pins = locked()
    assert len(wanted) > 30
    assert [
        str(want) for want in wanted if canonicalize_name(want.name) not in pins or pins[canonicalize_name(want.name)] not in want.specifier
    ] == []


def test_the_lock_names_no_host_and_no_path():
    text = (ROOT / "requirements.lock").read_text()
    assert re.findall(r"https?://|file:/|^-|^\s*/", text, flags=re.MULTILINE) == []


def test_the_citation_has_the_version():
    assert f"\nversion: {PROJECT['project']['version']}\n" in (ROOT / "CITATION.cff").read_text()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-2000:]
    (path,) = folder.glob("*.whl")
    return path


@pytest.mark.slow
def test_the_wheel_has_every_file_of_the_packages_and_nothing_else(wheel: Path):
    names = zipfile.ZipFile(wheel).namelist()
    shipped = {name for name in names if ".dist-info/" not in name}
    sources = {
        path.relative_to(ROOT).as_posix()
        for package in packages()
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert shipped == (sources - {f"bench/{LAUNCH}"}) | {LAUNCH}
    assert any(name.endswith("licenses/LICENSE") for name in names)


LIST = """
import pathlib, sys
import bench, reports, studies, variants
from bench.core.config import DATASETS, VARIANTS
from bench.metrics.extractors import load_extractor
where = pathlib.Path(sys.argv[1])
assert all(pathlib.Path(module.__file__).is_relative_to(where) for module in (bench, reports, studies, variants)), bench.__file__
load_extractor("digits")
print(*VARIANTS.names())
print(*DATASETS.names())
"""


@pytest.mark.slow
def test_the_installed_wheel_lists_its_variants(wheel: Path, tmp_path: Path):
    site = tmp_path / "site"
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--no-index",
        "--target",
        str(site),
        str(wheel),
    ]
    subprocess.run(install, check=True, timeout=120)
    listed = subprocess.run(
        [sys.executable, "-c", LIST, str(site)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert listed.returncode == 0, listed.stderr
    variants, datasets = listed.stdout.splitlines()
    assert variants.split() == VARIANTS.names()
    assert {"fashion-mnist", "digits"} <= set(datasets.split())
    assert command_beside_a_file_named_bench(tmp_path, site) == (2, f"ganbench: {tmp_path / 'bench.py'} hides the package 'bench'")


def command_beside_a_file_named_bench(folder: Path, site: Path) -> tuple[int, str]:
    """Return the exit status of the installed command, and the start of its error message."""
    (folder / "bench.py").touch()
    path = os.pathsep.join([str(folder), str(site)])
    command = [sys.executable, str(site / "bin" / "ganbench"), "list", "variants"]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, done.stderr.partition(" of ganbench")[0]


@pytest.mark.slow
def test_an_editable_install_has_the_module_of_the_command(tmp_path: Path):
    code = "import sys; from hatchling.build import build_editable; print(build_editable(sys.argv[1]))"
    built = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert built.returncode == 0, built.stderr
    files = zipfile.ZipFile(tmp_path / built.stdout.split()[-1])
    assert files.read(LAUNCH) == (ROOT / "bench" / LAUNCH).read_bytes()
    assert files.read("_ganbench.pth").decode().strip() == str(ROOT)
