"""Modules of reports that have moved: an import under an old name is answered with the new one, in one line."""

from __future__ import annotations

import importlib
import importlib.util

import pytest

from reports import MOVED


@pytest.mark.parametrize("name", MOVED)
def test_an_old_name_is_answered_with_a_module_that_exists(name: str) -> None:
    with pytest.raises(ImportError) as error:
        importlib.import_module(name)
    assert (error.value.name, str(error.value).splitlines()) == (name, [f"{name} has moved: import {MOVED[name]}"])
    assert importlib.util.find_spec(MOVED[name])


def test_every_form_of_import_is_answered() -> None:
    for statement in ("import reports.apart", "from reports.apart import chosen", "from reports import apart"):
        with pytest.raises(ImportError, match=r"import reports\.cohort_differences$"):
            exec(statement, {})
