"""Tests of names of folders of images: paths, options, error messages and canonical names."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from itertools import product
from pathlib import Path

import pytest

from bench.core.errors import UserError
from bench.data.folder.name import GIVEN, Options, parse, quoted, spell


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a working folder that contains the folder `photos`."""
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_path_alone_leaves_every_choice_open(here: Path) -> None:
    assert parse("photos") == parse("./photos/") == (here / "photos", Options())


def test_options_in_any_order(here: Path) -> None:
    path, options = parse("photos,test=0.1, channels=1,crop=none,size=32")
    assert path == here / "photos"
    assert options == Options(size=32, crop="none", channels=1, test=Fraction(1, 10))


def test_the_home_folder(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(here))
    assert parse("~/photos,size=8")[0] == here / "photos"


@pytest.mark.parametrize("name", ["a,b", "a=b", "a,b=c", "a,32", "my, photos", "=,=", "x:y"])
def test_a_path_may_hold_commas_equals_signs_and_colons(here: Path, name: str) -> None:
    (here / name).mkdir()
    assert parse(name)[0] == here / name
    path, options = parse(f"{name},size=32")
    assert path == here / name
    assert options.size == 32


@pytest.mark.parametrize("name", ["photos,size=32", "p,test=x", "p,crop=none,x"])
def test_a_path_that_reads_as_options_is_refused(here: Path, name: str) -> None:
    (here / name).mkdir()
    with pytest.raises(UserError, match="reads as an option: rename the folder or make a link"):
        parse(name)
    (here / "link").symlink_to(here / name)
    assert parse("link,size=16")[0] == here / "link"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "takes a path"),
        ("  ,size=32", "takes a path"),
        ("photos,sise=32", "unknown option 'sise'; did you mean 'size'"),
        ("photos,size=32,colour=3", "unknown option 'colour'"),
        ("photos,colour=3,size=32", "unknown option 'colour'"),
        ("photos,32", "unknown option '32'"),
        ("photos,size", "'size' needs a value, as in size=32"),
        ("photos,size=32,size=64", "'size' is given twice"),
        ("photos,size=", "8 to 1024 pixels, not ''"),
        ("photos,size=7", "8 to 1024 pixels, not '7'"),
        ("photos,size=1025", "8 to 1024 pixels, not '1025'"),
        ("photos,size=-8", "8 to 1024 pixels, not '-8'"),
        ("photos,size=32.5", "8 to 1024 pixels, not '32.5'"),
        ("photos,size=" + "9" * 5000, "8 to 1024 pixels"),
        ("photos,crop=left", "center or none, not 'left'"),
        ("photos,classes=none", "classes takes all, not 'none'"),
        ("photos,channels=2", "1 .grey. or 3 .RGB., not '2'"),
        ("photos,test=0", "between 0 and 1, as 0.1 or 1/7, not '0'"),
        ("photos,test=1", "between 0 and 1"),
        ("photos,test=1/0", "between 0 and 1"),
        ("photos,test=nan", "between 0 and 1"),
        ("photos,test=1e-999999999", "between 0 and 1"),
        ("\udcff", "cannot be used as a path"),
    ],
)
def test_a_wrong_name_is_one_line_with_the_value(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        parse(name)
    assert "\n" not in str(caught.value)


def test_a_spelt_out_name_reads_back_as_itself(here: Path) -> None:
    for test, all_classes in product((Fraction(1, 7), Fraction("0.25"), GIVEN), (False, True)):
        name = spell(here / "photos", size=32, crop="none", channels=3, test=test, all_classes=all_classes)
        path, options = parse(name)
        assert options == Options(size=32, crop="none", channels=3, test=test, all_classes=all_classes)
        assert spell(path, size=32, crop="none", channels=3, test=test, all_classes=all_classes) == name
    spelt = partial(spell, Path("/p"), size=8, crop="center", channels=1, test=Fraction("0.1"))
    assert spelt(all_classes=False) == "/p,size=8,crop=center,channels=1,test=1/10"
    assert spelt(all_classes=True) == "/p,size=8,crop=center,channels=1,test=1/10,classes=all"


def test_a_path_in_an_error_is_one_short_line() -> None:
    assert quoted("a\nb") == r"'a\nb'"
    assert len(quoted("x" * 5000)) < 210


@pytest.mark.parametrize("pairs", ["side-by-side", "folders", "none"])
def test_pairs_are_the_last_part_of_the_canonical_name(here: Path, pairs: str) -> None:
    assert parse(f"photos,pairs={pairs},size=8")[1] == Options(size=8, pairs=pairs)  # type: ignore[arg-type]
    name = spell(here / "photos", size=8, crop="none", channels=3, test=GIVEN, all_classes=False, pairs=pairs)  # type: ignore[arg-type]
    assert name == f"{here}/photos,size=8,crop=none,channels=3,test=given,pairs={pairs}"
    assert parse(name)[1].pairs == pairs
