"""Tests of the locations of code."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from bench.cli import places
from bench.cli.places import Place, file_line, first_line, function_of, place_of


class Documented:
    """One sentence
    in two lines.

    And more.
    """

    def method(self) -> None:
        """What a method does."""


class Silent(Documented):
    def method(self) -> None: ...


def line_of(start: str) -> int:
    return Path(__file__).read_text(encoding="utf-8").splitlines().index(start) + 1


@pytest.mark.parametrize(
    "thing", [Documented, Documented(), functools.partial(Documented), functools.partial(functools.partial(Documented))]
)
def test_a_class_an_instance_and_a_partial(thing: object) -> None:
    assert place_of(thing) == Place(__file__, line_of("class Documented:"))


def test_a_function_and_a_bound_method() -> None:
    assert place_of(line_of) == Place(__file__, line_of("def line_of(start: str) -> int:"))
    assert place_of(Documented().method) == Place(__file__, line_of("    def method(self) -> None:"))


def test_objects_without_source_have_no_location() -> None:
    assert place_of(len) is None
    assert place_of(3) is None
    assert file_line(None) == "–"
    assert file_line(Place("<string>", 3)) == "–"


def test_paths_are_short_where_they_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert file_line(Place(places.__file__, 7)) == "bench/cli/places.py:7"
    (tmp_path / "mine.py").touch()
    assert file_line(Place(str(tmp_path / "mine.py"), 2)) == f"{(tmp_path / 'mine.py').resolve()}:2"
    monkeypatch.chdir(tmp_path)
    assert file_line(Place("mine.py", 2)) == "mine.py:2"


def test_the_first_paragraph_in_one_line() -> None:
    assert first_line(Documented) == "One sentence in two lines."
    assert first_line(Silent) == ""
    assert first_line(Silent().method) == "What a method does."
    assert first_line(None) == first_line(lambda: None) == ""


def test_the_function_behind_its_code() -> None:
    assert function_of(Documented.method.__code__, __name__) is Documented.method
    assert function_of(line_of.__code__, "no.such.module") is None
