"""Hostile text in every field of a store that a user can write: every output shows it as plain text."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from synthetic_results import SyntheticRun, references, results, synthetic_runs
from whole_report import Page, Written, whole

from bench.core.text import harmless
from bench.metrics.columns import Card, register_card
from bench.tracking.results import Results
from reports.latex import latex
from reports.view import view

HOSTILE = {
    "element": "<script>alert(1)</script>",
    "attribute": "\"'><img src=x onerror='alert(1)'>",
    "entity": "&amp; &#60;b&#62;",
    "backslash": "a\\b \\n \\input{x}",
    "mathematics": "$x^2$ $\\frac{$",
    "per cent": "100 %s %(a)d %",
    "braces": "{{ 7*7 }} {% raw %} {# c #}",
    "character data": "]]> <![CDATA[ x",
    "comment": "-- <!-- x --> --",
    "lines": "two\nlines\r\n\n# three",
    "control": "nul\x00 bell\x07 esc\x1b[31m del\x7f",
    "direction": "\u202eright to left\u2066 mark\u200f",
    "letters": "👩‍🚀 e\u0301 שלום 𝔘",
    "table": "| a | b |\\| c",
    "markdown": "**b** _i_ `c` [l](javascript:x) ![p](x) ~~s~~ <b>",
    "start": "# - 1. > x",
    "formula": "=cmd|' /C calc'!A0",
    "separators": "a\u2028b\x85c",
    "long": "x" * 3000,
    "blank": " ",
}
TWO = {"a": (10.0, 11.0, 12.0), "b": (20.0, 21.0, 22.0)}
TAGS = (
    "idea",
    "paper",
    "dataset",
    "suite",
    "note",
    "reason",
    "track",
    "device",
    "fingerprint",
    "protocol",
    "extends",
    "lineage",
    "results_version",
)


def spread(text: str, folder: Path) -> Results:
    """Return results with this text in every tag, setting and fact, and a failed run."""
    tags = dict.fromkeys(TAGS, text)
    columns = {**tags, "overrides": json.dumps({text: text}), "param:recipe.lr_g": text}
    evidence = {
        "class_names": [text, *"bcdefghij"],
        "reasons": {text: text, "modes/collapse": text},
        "health": [{"flag": text, "since_images": 3, "message": text}],
    }
    runs = [
        *synthetic_runs({text: TWO["a"], f"{text}2": TWO["b"]}, **columns),
        SyntheticRun(variant=text, seed=3, status="failed", columns=columns),
    ]
    runs = [replace(run, protocol=text, evidence=evidence) for run in runs]
    found = results([*runs, *references(dataset=text)], folder, curves=False)
    for file in folder.rglob("environment.json"):
        file.write_text(json.dumps({text: text, "cpu": text}), encoding="utf-8")
    return replace(found, experiments=(text,))


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """Return the page of the same results with a plain name."""
    folder = tmp_path_factory.mktemp("ordinary")
    return whole(spread("plain", folder / "artifacts"), folder).page


FAST = ("element",)  # each other text takes as long as this one, so its tests are slow
TITLES = [text for text in HOSTILE.values() if text.isprintable() and len(text) <= 80 and text.strip()]
NAMES = [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in HOSTILE]


@pytest.fixture(scope="module", params=NAMES)
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Written]:
    """Return a hostile text, and every file that the report writes for results with it."""
    folder = tmp_path_factory.mktemp("hostile")
    return HOSTILE[request.param], whole(spread(HOSTILE[request.param], folder / "artifacts"), folder)


def test_the_page_has_no_element_and_attribute_but_ours(written: tuple[str, Written], ordinary: Page) -> None:
    page = written[1].page
    assert page.elements == ordinary.elements
    assert page.attributes == ordinary.attributes


def test_the_page_says_the_text_as_it_is(written: tuple[str, Written]) -> None:
    text, found = written
    visible_text = "\n".join(found.page.texts)
    assert visible_text.count(harmless(text).replace("\r\n", "\n")) >= 20  # reading a file translates line ends
    assert not set(visible_text) & {"\x00", "\x07", "\x1b", "\u202e", "\u2066", "\u200f"}


def test_pictures_are_xml_with_the_text_in_them(written: tuple[str, Written]) -> None:
    text, found = written
    picture_texts = found.page.texts_in_pictures()  # parses each picture
    assert picture_texts
    shorter = "".join(letter for letter in text if letter.isalnum())[:8]
    assert any(shorter in "".join(letter for letter in label if letter.isalnum()) for label in picture_texts)


def test_markdown_renders_to_the_text_and_no_other_element(written: tuple[str, Written]) -> None:
    text, found = written
    html = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(found.markdown)
    page = Page(html.replace("<hr />", "<br>").replace(" />", ">"))
    assert page.elements <= {
        "h1", "h2", "h3", "h4", "p", "ul", "li", "a", "strong", "em", "blockquote", "table", "thead", "tbody", "tr", "th", "td", "code", "img",
    }  # fmt: skip
    links = re.findall(r'(?:href|src)="([^"]*)"', html)
    assert links
    assert all(link.startswith(("#", "report_files/")) for link in links)
    words = " ".join(harmless(" ".join(text.split())).split())
    assert " ".join("\n".join(page.texts).split()).count(words) >= 10


def test_tables_of_the_markdown_keep_their_columns(written: tuple[str, Written]) -> None:
    """Every row of a table has as many unescaped bars, the borders of its cells, as the head."""
    widths: list[list[int]] = [[]]
    for line in written[1].markdown.splitlines():
        if line.startswith("| "):
            widths[-1].append(len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)))
        elif widths[-1]:
            widths.append([])
    tables = [width for width in widths if width]
    assert len(tables) > 4
    assert all(len(set(width)) == 1 for width in tables)


def test_the_tidy_files_hold_the_text_letter_for_letter(written: tuple[str, Written]) -> None:
    text, found = written
    with (found.tidy / "runs.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    runs = [row for row in rows if row["kind"] == "run"]
    assert {row["variant"] for row in runs} == {text, f"{text}2"}
    assert all(row[tag] == text for row in runs for tag in TAGS)
    assert all(json.loads(row["overrides"]) == {text: text} for row in runs)
    assert json.loads((found.tidy / "about.json").read_text(encoding="utf-8"))["datasets"] == [text]


def test_latex_acts_on_nothing_of_it(written: tuple[str, Written]) -> None:
    table = written[1].latex
    assert re.findall(r"\\(begin|end)\{(\w+)\}", table) == [("begin", "table"), ("begin", "tabular"), ("end", "tabular"), ("end", "table")]
    body = [line for line in table.splitlines() if line.endswith(r"\\")]
    assert {len(re.findall(r"(?<!\\)&", line)) for line in body} in ({4}, {5})
    ours = r"\\(textbackslash|textasciicircum|textasciitilde|textless|textgreater|textbar|textbf|[{}$&#_%\\])"
    ours += r"|\\(begin|end|centering|caption|label|toprule|midrule|bottomrule)\b|\$\\(pm|infty|downarrow|uparrow|times)\$|\$-\$"
    left = re.sub(ours, "", table.partition("\n")[2])
    assert not re.search(r"[$#%^~<>|\\]", left)
    assert table.isprintable() or set(table) - {letter for letter in table if letter.isprintable()} <= {"\n", "\u200d"}


def test_halves_of_surrogate_pairs_are_question_marks(tmp_path: Path) -> None:
    """The report replaces unpaired surrogates by question marks. A JSON artifact can contain them as escapes."""
    found = results(synthetic_runs(TWO), tmp_path / "artifacts", curves=False)
    for file in (tmp_path / "artifacts").rglob("environment.json"):
        file.write_text('{"cpu": "half \\ud800", "torch": "whole \\ud83d\\ude80"}')
    for file in (tmp_path / "artifacts").rglob("evidence.json"):
        file.write_text('{"reasons": {"modes/collapse": "half \\uDFFF"}, "health": [{"flag": "\\udc00", "message": "m"}]}')
    text = whole(found, tmp_path).text
    assert "whole 🚀" in text
    assert "half ?" in text


@pytest.mark.slow
@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize("title", TITLES)
def test_the_title_of_somebodys_metric(title: str, tmp_path: Path) -> None:
    """The title of a user's headline metric is plain text in tables, captions and axes."""
    register_card(Card(key="quality/mine", title=title, direction="lower", unit=title[:40], meaning=title, citation=title, recorded=True))
    found = results([*(replace(run, headline="quality/mine") for run in synthetic_runs(TWO)), *references()])
    written = whole(found, tmp_path)
    assert f"Lowest median {title} on fashion-mnist" in written.text
    assert any(title in text for text in written.page.texts_in_pictures())
    assert written.html.count("<script") == 1
    assert latex(view(found)).count(r"\begin{") == 2


@pytest.mark.parametrize(
    "odd",
    [
        "step_1<b>.png",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("step_x.png", "step_000000009.png.exe", "step_٣.png", "step_000003000.png")
        ),
    ],
)
def test_names_of_artifacts(odd: str, tmp_path: Path) -> None:
    found = results([SyntheticRun(variant="a", fid=10.0)], tmp_path / "artifacts", curves=False)
    grids = tmp_path / "artifacts" / "0" / "grids"
    picture = (grids / "final.png").read_bytes()
    (grids / odd).write_bytes(picture)
    written = whole(found, tmp_path)
    assert "<b>" not in written.html
    assert written.html.count("after 3,000 images") == 1
    assert {path.suffix for path in (tmp_path / "page" / "report_files").iterdir()} == {".png", ".svg", ".txt"}
