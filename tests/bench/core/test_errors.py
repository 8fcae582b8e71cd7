"""Tests of errors as one line of text."""

from __future__ import annotations

import copy

import pytest

from bench.core.errors import UserError, one_line

LONG = "the store refuses this for a reason of many words " * 20 + "so run `mlflow db upgrade sqlite:///mlflow.db` first"


def test_a_short_text_is_one_line_as_it_is() -> None:
    assert one_line(ValueError("two\n  lines")) == "two lines"


@pytest.mark.parametrize("most", [40, 41, 80, 120, 161, 200, 240])
def test_a_long_text_loses_its_middle_and_no_part_of_a_word(most: int) -> None:
    shortened = one_line(LONG, most=most)
    assert len(shortened) <= most
    start, end = shortened.split(" ... ")
    assert LONG.startswith(start + " ")
    assert LONG.endswith(" " + end)
    assert len(shortened) > most - 2 * len("sqlite:///mlflow.db` ")


def test_the_command_at_the_end_stays_whole() -> None:
    assert one_line(LONG).endswith("`mlflow db upgrade sqlite:///mlflow.db` first")


@pytest.mark.parametrize("most", [40, 60, 200])
def test_a_word_without_end_is_cut(most: int) -> None:
    assert len(one_line("x" * 1000, most=most)) == most
    assert len(one_line("a " + "x" * 1000 + " b", most=most)) <= most


def test_a_mistake_of_the_user_stays_whole() -> None:
    assert one_line(UserError(LONG), most=40) == LONG


def test_the_message_of_a_mistake_has_no_control_characters() -> None:
    error = UserError("no file 'a\x1b[31m\u202e\udcff'\ntwo\tlines\r")
    assert str(error) == "no file 'a\ufffd[31m\ufffd\ufffd'\ntwo\tlines\ufffd"
    assert str(copy.copy(error)) == str(error)


def test_an_error_that_cannot_be_shown_is_its_name() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert one_line(Mute()) == "Mute"
