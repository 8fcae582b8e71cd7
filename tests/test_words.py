"""Tests that `.ci/check_words.py` finds words that have a standard term, and accepts ordinary English."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / ".ci" / "check_words.py"
spec = importlib.util.spec_from_file_location("check_words", SCRIPT)
assert spec is not None
assert spec.loader is not None
check_words = importlib.util.module_from_spec(spec)
spec.loader.exec_module(check_words)


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ('"""Inside, the lock\n\nis held by whoever came first."""\n', [1, 3]),
        ("# what is no number is trained anew\n", [1, 1]),
        ("log.warning('it goes on\tfrom there: %s', 1)\n", [1]),
        ("raise ValueError(f'{x} is said')\n", [1]),
        ("class RunKeeper:\n    def kept_of(self, told): ...\n", [1, 2, 2]),
        ("def test_a_run_goes_on_from_there(): ...\n", [1]),
        ("made = 1\nself.asked = 2\nmade_by = 3\n", [1, 2]),
    ],
)
def test_python(source: str, lines: list[int]) -> None:
    assert sorted(line for line, _, _ in check_words.python(source)) == lines


@pytest.mark.parametrize(
    "text",
    [
        "The wall clock is kept in memory; a state is taken from the file that is left.",
        "The lock is held, the images are made, and waiting costs nothing. There is no file. Results support no claim.",
        "A planned execution says where it is going on a laptop.",
    ],
)
def test_ordinary_english(text: str) -> None:
    assert not list(check_words.prose(text))


def test_markdown_leaves_code_out() -> None:
    text = "`anew`\n\n```bash\nwhoever\n```\n\n| trained anew |\n"
    assert list(check_words.markdown(text)) == [(7, "anew", "again, from scratch, retrain")]


def test_what_is_allowed_and_a_folder_that_has_moved(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("claims = True\nclaimed = True\n")
    assert check_words.check(tmp_path, tmp_path / "a.py") == ["a.py:2: 'claimed': write 'locked'"]
    with pytest.raises(SystemExit):
        list(check_words.files(tmp_path, ("gone",)))


@pytest.mark.parametrize(("text", "status"), [("seen = 1\n", 1), ("features = 1\n", 0)])
def test_the_command(text: str, status: int, tmp_path: Path) -> None:
    copy = tmp_path / ".ci" / SCRIPT.name
    copy.parent.mkdir()
    copy.write_text(SCRIPT.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "a.py").write_text(text)
    done = subprocess.run([sys.executable, str(copy), "a.py"], capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert ("a.py:1: 'seen'" in done.stdout) == bool(status)
