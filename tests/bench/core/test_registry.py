"""Tests of registries: names, aliases, duplicates, schemes and objects by import path."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.core.config import VARIANTS
from bench.core.errors import UserError
from bench.core.registry import Registry
from bench.core.spec import Variant


@pytest.fixture
def registry() -> Registry[int]:
    numbers: Registry[int] = Registry("number", int)
    numbers.register("one", 1, aliases=("uno",))
    numbers.register("eleven", 11)
    return numbers


def test_get_by_name_and_alias(registry: Registry[int]) -> None:
    assert registry.get("one") == registry.get("uno") == 1
    assert registry.canonical("uno") == "one"
    assert registry.names() == ["one", "eleven"]
    assert registry.names("e*") == ["eleven"]


@pytest.mark.parametrize("name", ["one", "uno"])
def test_a_name_that_is_taken_raises(registry: Registry[int], name: str) -> None:
    with pytest.raises(UserError, match=f"two numbers named '{name}'"):
        registry.register(name, 2)


def test_unknown_names_say_the_nearest(registry: Registry[int]) -> None:
    with pytest.raises(UserError, match="unknown number 'elevn'; did you mean 'eleven'"):
        registry.get("elevn")
    with pytest.raises(UserError, match="unknown number 'zzz'; there is eleven, one, uno"):
        registry.get("zzz")


def test_an_object_by_its_import_path(registry: Registry[int]) -> None:
    assert registry.get("bench.core.config:LOG_MARKS") == 100


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("no_such_module:X", "cannot be imported"),
        ("bench.core.config:NOTHING", "cannot be imported"),
        ("bench.core.config:RunConfig", "is a .*, not a number"),
        (":", "cannot be imported"),
        ("..:x", "cannot be imported"),
    ],
)
def test_a_wrong_import_path_is_one_line(registry: Registry[int], path: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        registry.get(path)
    assert "\n" not in str(caught.value)


def test_variants_are_found_by_entry_points() -> None:
    assert isinstance(VARIANTS.get("dcgan"), Variant)


@pytest.fixture
def doubling(registry: Registry[int]) -> Registry[int]:
    """Return a registry that also creates numbers from names such as `twice:3`."""
    registry.scheme("twice", lambda text: 2 * int(text), name=lambda number: f"twice:{number / 2:g}")
    return registry


def test_a_scheme_makes_things_from_their_names(doubling: Registry[int]) -> None:
    assert doubling.get("twice:21") == 42
    assert doubling.canonical("twice:0021") == "twice:21"
    assert doubling.canonical("uno") == "one"
    assert doubling.names() == ["one", "eleven"], "a scheme is listed among the names"


def test_other_names_with_a_colon_are_import_paths_still(doubling: Registry[int]) -> None:
    assert doubling.get("bench.core.config:LOG_MARKS") == 100
    assert doubling.canonical("bench.core.config:LOG_MARKS") == "bench.core.config:LOG_MARKS"


def test_a_scheme_is_named_where_it_may_be_meant(doubling: Registry[int]) -> None:
    with pytest.raises(UserError, match=r"number 'twise:1' cannot be imported: .*; did you mean 'twice:...'\?"):
        doubling.get("twise:1")
    with pytest.raises(UserError, match=r"unknown number 'twice'; did you mean 'twice:...'\?"):
        doubling.get("twice")
    with pytest.raises(UserError, match=r"unknown number 'zzz'; there is eleven, one, twice:..., uno"):
        doubling.get("zzz")


def test_a_scheme_that_is_taken_raises(doubling: Registry[int]) -> None:
    with pytest.raises(UserError, match="two ways to make a number from 'twice:'"):
        doubling.scheme("twice", int, name=str)


def test_the_place_of_what_a_module_registers_while_it_is_imported() -> None:
    place = VARIANTS.place("minimax-gan")
    assert place is not None
    lines = Path(place.file).read_text(encoding="utf-8").splitlines()
    assert lines[place.line - 1 : place.line + 1] == ["register_gan(", '    "vanilla",']


def test_the_place_of_an_object_by_its_import_path(registry: Registry[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "ELEVEN = 11\nif ELEVEN:\n    TWELVE: int = ELEVEN + 1\n(THIRTEEN, _) = (13, 0)\nglobals()['FOURTEEN'] = 14\nfrom errno import EPERM as ONE\n"
    (tmp_path / "placed_numbers.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    found = {name: registry.place(f"placed_numbers:{name}") for name in ("ELEVEN", "TWELVE", "THIRTEEN", "FOURTEEN", "ONE")}
    assert {name: place and place.line for name, place in found.items()} == {
        "ELEVEN": 1,
        "TWELVE": 3,
        "THIRTEEN": 4,
        "FOURTEEN": None,
        "ONE": 6,
    }


def test_the_place_of_what_no_import_registers_is_not_known(registry: Registry[int]) -> None:
    assert registry.place("one") is None
    with pytest.raises(UserError, match="unknown number"):
        registry.place("three")
