"""The leaderboard as LaTeX: figures in their cells, and no unescaped special character."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from synthetic_results import FID, SyntheticRun, points, references, results, synthetic_runs

from reports.latex import ESCAPES, escape, latex
from reports.view import view

TWO = {"a": (10.0, 11.0, 12.0), "b": (20.0, 21.0, 22.0)}
HOSTILE = r"\input{/etc/passwd} $x$ & 50% #1 a_b^c~d <|> [x]*" + "\n\\end{table}"


def rows(text: str) -> list[list[str]]:
    """Return the cells of each row."""
    return [line.strip().removesuffix(r" \\").split(" & ") for line in text.splitlines() if line.endswith(r"\\")]


def test_the_rows_by_hand() -> None:
    text = latex(view(results([*synthetic_runs(TWO), SyntheticRun(variant="b", seed=3, status="diverged"), *references()])))
    assert rows(text) == [
        ["variant", r"classifier-FID $\downarrow$, mean $\pm$ half-interval", "median", "seeds", "finished", "n.s. within group"],
        ["a", r"\textbf{11.0 $\pm$ 2.48}", r"\textbf{11.0}", "3", "3/3", "A"],
        ["b", r"$\infty$", "21.5", "4", "3/4", "B"],
        ["real", "0.100", "", "", "", ""],
        ["untrained", "210", "", "", "", ""],
    ]
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 1
    assert text.count(r"\midrule") == 2


def test_the_contract_names_every_column_and_every_escape() -> None:
    contract = (Path(__file__).parents[2] / "docs" / "tidy-results.md").read_text(encoding="utf-8").partition("## The LaTeX table")[2]
    runs = [replace(run, metrics={f"best/{FID}": run.fid / 2}) for run in synthetic_runs(TWO)]
    columns = rows(latex(view(results(runs))))[0]
    assert re.findall(r"^\| (?:metric, )?`([^`]+)` \|", contract, flags=re.MULTILINE) == [
        columns[0], "mean ± half-interval", columns[2], *columns[3:],
    ]  # fmt: skip
    assert columns[1].endswith(escape("mean ± half-interval"))
    written = set("".join(re.findall(r"`([^`]+)`", contract.rpartition("escaped: ")[2])))
    assert {letter for letter in ESCAPES if letter.isascii() and letter != '"'} <= written
    assert "booktabs" in contract


def test_the_caption_says_data_budget_track_and_protocol() -> None:
    text = latex(view(results(synthetic_runs(TWO))))
    (caption,) = re.findall(r"\\caption\{(.*)\}\n", text)
    for part in (
        "fashion-mnist",
        "150,000 real images",
        "published recipes",
        "classifier-FID (lower is better)",
        r"p0-quality/fid\_classifier",
    ):
        assert part in caption
    (trial,) = re.findall(r"\\caption\{(.*)\}\n", latex(view(results(synthetic_runs(TWO, claims="false")))))
    assert trial != caption
    assert trial.replace(" This is a trial run: the data is too small to support conclusions.", "") == caption


def test_groups_and_the_smallest_ratio_are_there_only_with_tests() -> None:
    near = {"a": (10.0, 10.2, 10.4), "b": (10.3, 10.5, 10.1), "c": (20.0, 21.0, 22.0)}
    text = latex(view(results(synthetic_runs(near))))
    assert [row[-1] for row in rows(text)] == ["n.s. within group", "A", "A", "B"]
    assert r"with 80\% power" in text.replace("80 \\%", "80\\%")
    untested = latex(view(results(synthetic_runs({"a": (10.0, 12.0), "b": (11.0, 11.0)}))))
    assert "within group" not in untested
    assert "power" not in untested


def test_two_seeds_have_no_interval_and_equal_medians_share_the_bold() -> None:
    text = latex(view(results(synthetic_runs({"a": (10.0, 12.0), "b": (11.0, 11.0)}))))
    assert [row[1:3] for row in rows(text)[1:]] == [[r"\textbf{11.0}", r"\textbf{11.0}"]] * 2


def test_each_cohort_is_a_table_of_its_own() -> None:
    text = latex(view(results([*synthetic_runs(TWO), *synthetic_runs({"c": (1.0, 2.0, 3.0)}, dataset="mnist")])))
    assert re.findall(r"\\label\{(.*)\}", text) == ["tab:ganbench-1", "tab:ganbench-2"]
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 2


def test_the_best_checkpoint_has_a_column() -> None:
    runs = [replace(run, metrics={f"best/{FID}": run.fid / 2}) for run in synthetic_runs(TWO)]
    text = latex(view(results(runs)))
    assert rows(text)[0][3] == "best checkpoint"
    assert [row[3] for row in rows(text)[1:]] == ["5.50", "10.5"]
    assert "rrrrr}" in text


def test_hostile_names_are_text() -> None:
    text = latex(view(results([*synthetic_runs({HOSTILE: TWO["a"], "[b]": TWO["b"], "*c": (30.0, 31.0, 32.0)}, dataset=HOSTILE)])))
    assert text.count(r"\begin{") == text.count(r"\end{") == 2  # the table and the tabular of the report
    assert r"\textbackslash{}input\{/etc/passwd\} \$x\$ \& 50\% \#1 a\_b\textasciicircum{}c\textasciitilde{}d" in text
    assert not re.search(r"\\\\\s*[\[*]", text)  # LaTeX would read these as options of the row's end
    body = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert all(len(re.findall(r"(?<!\\)&", line)) == 5 for line in body)
    unescaped = re.sub(r"\\[{}$&#_%\\]|\$\\(pm|infty|downarrow|uparrow)\$|\$-\$", "", text.partition("\n")[2])
    assert not re.search(r"[$#%^~<>|]", unescaped)


@pytest.mark.parametrize("letter", [letter for letter in ESCAPES if letter.isascii()])
def test_every_letter_that_latex_acts_on(letter: str) -> None:
    assert escape(f"a{letter}b") == f"a{ESCAPES[letter]}b"


def test_control_characters_and_breaks() -> None:
    assert escape("a--b---c-d") == "a-{}-b-{}-{}-c-d"
    assert escape("a\n b\tc\u202ed\x00e") == "a b c?d?e"


def test_data_without_metrics() -> None:
    runs = [SyntheticRun(variant="a", seed=seed, metrics=BARE, protocol="") for seed in range(3)]
    text = latex(view(results(runs)))
    assert "classifier-FID (lower" not in text
    assert rows(text)[1] == ["a", "--", "--", "3", "3/3"]


def test_the_error_of_measuring_is_in_the_caption() -> None:
    runs = [replace(run, metrics={f"{FID}_se": 0.2 if run.variant == "a" else 0.4}) for run in synthetic_runs(TWO)]
    assert "standard error of one run is 0.200 to 0.400" in latex(view(results(runs)))
    assert "standard error" not in latex(view(results(synthetic_runs(TWO))))


def test_points_are_ranked_by_their_own_metric() -> None:
    text = latex(view(results(points({"c": (0.1, 0.2, 0.3), "d": (0.5, 0.6, 0.7)}))))
    assert r"reverse KL $\downarrow$, mean" in text
    assert "150,000 real points each" in text
    assert "FID" not in text


BARE = dict.fromkeys(
    ("quality/precision_classifier", "quality/recall_classifier", "modes/classes_covered", "diversity/duplicate_rate", "modes/collapse",
     "diversity/pairwise_distance"), float("nan"),
)  # fmt: skip
