"""Modules that have moved: an import under an old name is answered with the new one, in one line."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys

import pytest

import bench
from bench import MOVED


@pytest.mark.parametrize("name", MOVED)
def test_an_old_name_is_answered_with_a_module_that_is_there(name: str) -> None:
    with pytest.raises(ImportError, match=rf"^{re.escape(name)} has moved: import bench\.[^\n]+$") as told:
        importlib.import_module(name)
    assert told.value.name == name
    assert all(importlib.util.find_spec(module) for module in re.findall(r"bench[\w.]+", MOVED[name]))


def test_every_form_of_import_is_answered() -> None:
    for statement in ("import bench.load", "from bench.load import load_generator", "from bench import load"):
        with pytest.raises(ImportError, match=r"^bench\.load has moved: import bench\.evaluation\.generator$"):
            exec(statement, {})
    with pytest.raises(ImportError, match=r"bench\.tracking\.Tracker has moved: import bench\.tracking\.client"):
        exec("from bench.tracking import Tracker", {})


def test_a_name_that_never_was_is_an_ordinary_error() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"^No module named 'bench\.nothing'$"):
        importlib.import_module("bench.nothing")
    assert sum(isinstance(finder, bench.MovedModules) and finder._moved is MOVED for finder in sys.meta_path) == 1
