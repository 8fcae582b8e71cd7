"""Modules of studies that have moved: an import under an old name raises one line with the new name."""

from __future__ import annotations

import importlib
import importlib.util

import pytest

from studies import MOVED


@pytest.mark.parametrize("name", MOVED)
def test_an_old_name_is_answered_with_a_module_that_exists(name: str) -> None:
    with pytest.raises(ImportError) as error:
        importlib.import_module(name)
    assert (error.value.name, str(error.value).splitlines()) == (name, [f"{name} has moved: import {MOVED[name]}"])
    assert importlib.util.find_spec(MOVED[name])
