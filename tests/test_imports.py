"""Tests of imports. Modules that read results load no torch, packages load no large library, and no modules form an import cycle."""

from __future__ import annotations

import subprocess
import sys
from graphlib import TopologicalSorter

import grimp
import pytest

HEAVY = ("torch", "torchvision", "ray", "mlflow", "sklearn")


def loaded_after(statement: str) -> set[str]:
    """Return the top-level modules that a new interpreter has loaded after a statement."""
    code = f"import sys; {statement}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "module",
    [
        "reports",
        "bench.tracking.artifacts",
        "bench.metrics.columns",
        "bench.metrics.columns.recorded",
        "bench.core.errors",
        "bench.core.atomic_files",
        "bench.tracking.results",
        "bench.tracking.store",
        "bench.tracking.study_record",
        "bench.tracking.client",
        "bench.cli",
    ],
)
def test_modules_that_read_results_load_no_torch(module):
    assert loaded_after(f"import {module}") & {"torch", "torchvision", "ray"} == set()


@pytest.mark.parametrize("package", ["bench", "variants", "studies", "reports"])
def test_a_package_loads_nothing_heavy(package):
    assert loaded_after(f"import {package}") & set(HEAVY) == set()


def test_no_modules_import_each_other_in_a_circle():
    graph = grimp.build_graph("bench", "variants", "studies", "reports", cache_dir=None)  # includes imports inside functions
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    TopologicalSorter(imports).prepare()  # raises CycleError
