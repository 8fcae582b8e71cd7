"""Tests that the project's code neither unpickles nor evaluates external data, and that it waits for each write to MLflow."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

FORBIDDEN = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle", "yaml"}
BUILT_IN = {"eval", "exec", "compile", "__import__"}  # only as plain names, because networks have a method eval()
CALLS = {*BUILT_IN, "read_pickle", "load_model"}


def violations(source: str, name: str) -> list[str]:
    """Return the calls and imports by which external data could run as code."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            found += [f"{name}: import {module}" for module in modules if module.partition(".")[0] in FORBIDDEN]
        if isinstance(node, ast.Call):
            called = node.func
            base = called.value.id if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) else ""
            word = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            careless = (
                (word in CALLS and (isinstance(called, ast.Name) or word not in BUILT_IN))
                or (base in ("np", "numpy") and word == "load" and given.get("allow_pickle") != "False")
                or (base == "torch" and word == "load" and given.get("weights_only") != "True")
                or ast.unparse(called) in ("torch.jit.load", "torch.hub.load", "torch.package.PackageImporter")
            )
            found += [f"{name}:{node.lineno}: {ast.unparse(node)[:60]}"] if careless else []
    return found


@pytest.mark.parametrize(
    "source",
    ["import pickle", "from joblib import load", "import dill as d", "np.load(p)", "np.load(p, allow_pickle=True)", "torch.load(p)", "torch.jit.load(p)",
     "eval('1')", "exec(x)", "pd.read_pickle(p)", "import yaml"],
)  # fmt: skip
def test_what_is_looked_for_is_found(source: str) -> None:
    assert violations(source, "x")


def test_ours_neither_unpickles_nor_evaluates() -> None:
    files = [path for package in ("bench", "variants", "studies", "reports") for path in sorted((ROOT / package).rglob("*.py"))]
    assert len(files) > 100
    assert [line for path in files for line in violations(path.read_text(), str(path.relative_to(ROOT)))] == []


WRITES = {"log_batch", "log_metric", "log_param", "set_tag"}  # methods of MlflowClient that may return before the write is done


def asynchronous(source: str, name: str) -> list[str]:
    """Return the writes to MLflow that are asynchronous if MLFLOW_ENABLE_ASYNC_LOGGING is set."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    writes = [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr in WRITES]
    return [
        f"{name}:{call.lineno}"
        for call in writes
        if not any(word.arg == "synchronous" and ast.unparse(word.value) == "True" for word in call.keywords)
    ]


@pytest.mark.parametrize("source", ["client.log_batch(run_id, tags=tags)", "self.client.set_tag(run_id, 'a', 'b', synchronous=None)"])
def test_a_write_that_may_be_asynchronous_is_found(source: str) -> None:
    assert asynchronous(source, "x")


def test_every_write_to_mlflow_is_waited_for() -> None:
    files = [path for package in ("bench", "studies") for path in sorted((ROOT / package).rglob("*.py"))]
    assert [line for path in files for line in asynchronous(path.read_text(), str(path.relative_to(ROOT)))] == []
