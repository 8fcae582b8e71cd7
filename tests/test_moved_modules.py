"""Tests of moved modules. An import under an old name raises a one-line error with the new name."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys

import pytest

import bench
import reports
import studies

MOVED = bench.MOVED | reports.MOVED | studies.MOVED


@pytest.mark.parametrize("name", MOVED)
def test_an_old_name_is_answered_with_a_module_that_exists(name: str) -> None:
    package = name.partition(".")[0]
    with pytest.raises(ImportError, match=rf"^{re.escape(name)} has moved: import {package}\.[^\n]+$") as error:
        importlib.import_module(name)
    assert error.value.name == name
    assert all(importlib.util.find_spec(module) for module in re.findall(rf"{package}[\w.]+", MOVED[name]))


@pytest.mark.parametrize(
    ("statement", "old", "new"),
    [
        ("import bench.load", "bench.load", "bench.evaluation.generator"),
        ("from bench.load import load_generator", "bench.load", "bench.evaluation.generator"),
        ("from bench import load", "bench.load", "bench.evaluation.generator"),
        ("from bench.tracking import Tracker", "bench.tracking.Tracker", "bench.tracking.client"),
        ("from reports import apart", "reports.apart", "reports.cohort_differences"),
    ],
)
def test_every_form_of_import_is_answered(statement: str, old: str, new: str) -> None:
    with pytest.raises(ImportError, match=rf"^{re.escape(old)} has moved: import {re.escape(new)}"):
        exec(statement, {})


def test_a_name_that_never_existed_is_an_ordinary_error() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"^No module named 'bench\.nothing'$"):
        importlib.import_module("bench.nothing")
    assert sum(isinstance(finder, bench.MovedModules) and finder._moved is bench.MOVED for finder in sys.meta_path) == 1
