"""The HTML page is self-contained and runs only its own script."""

from __future__ import annotations

import base64
import hashlib
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest
from synthetic_results import QUICK, SyntheticRun, results, synthetic_runs

from reports.build import build
from reports.document import Document, Figure, Picture, Section
from reports.html import html

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>'


class Page(HTMLParser):
    """Parser of a page: its tags, links and visible text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = self.script = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script":
            self.script += data
        self.text += data

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.attributes if key == name]


@pytest.fixture(scope="module")
def page(quick_report: Document) -> Page:
    return Page(html(quick_report))


def test_nothing_is_loaded_from_elsewhere(page: Page) -> None:
    assert page.all("src")
    assert all(source.startswith("data:image/") for source in page.all("src"))
    assert all(link.startswith(("#", "data:")) for link in page.all("href"))
    assert not {"iframe", "object", "embed", "base"} & set(page.tags)
    assert page.tags.count("script") == 1
    assert not any(name.startswith("on") for name, _ in page.attributes)


def test_every_link_of_the_contents_has_its_target_and_every_id_is_one(page: Page) -> None:
    ids = page.all("id")
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in page.all("href") if link.startswith("#")} <= set(ids)


def test_every_picture_has_words(page: Page) -> None:
    assert len(page.all("alt")) == page.tags.count("img")
    assert all(page.all("alt"))
    assert page.tags.count("svg") == page.all("role").count("img") > 0


def test_the_policy_lets_that_one_script_run_and_nothing_be_loaded(page: Page) -> None:
    policy = page.all("content")[page.all("http-equiv").index("Content-Security-Policy") + 2]
    assert policy.startswith("default-src 'none'; img-src data:")
    digest = base64.b64encode(hashlib.sha256(page.script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert "use strict" in page.script


def test_an_entry_is_one_group_everywhere(page: Page) -> None:
    assert set(page.all("data-entry")) == set(page.all("data-group")) == set(QUICK)
    assert set(page.all("data-and")) <= set(QUICK)


@pytest.mark.slow
def test_a_variants_entries_are_hidden_together_and_one_variants_apart() -> None:
    settings = [
        SyntheticRun(variant="a", seed=seed, fid=9.0 + seed, columns={"param:recipe.k": k, "overrides": k})
        for seed in range(2)
        for k in ("1", "2")
    ]
    together = build(results([*settings, *synthetic_runs({"b": (1.0, 2.0)})]), title="x")
    assert [(group.name, group.entries) for group in together.groups] == [("a", ("a (k=1)", "a (k=2)")), ("b", ("b",))]
    assert len(set(together.groups[0].colours)) == 2
    assert set(Page(html(together)).all("data-entry")) == {"a", "b"}
    apart = build(results(settings), title="x")
    assert [group.name for group in apart.groups] == ["a (k=1)", "a (k=2)"]


def test_pictures_as_text_are_the_pictures() -> None:
    """An SVG with all special characters of URLs and attributes is restored byte for byte."""
    svg = """<svg xmlns="http://www.w3.org/2000/svg"><text fill='#123456'>100 % "a" &amp; b?c#d+e 猫 &lt;</text></svg>"""
    figure = Figure(id="x", caption="", picture=Picture(data=svg.encode(), media="image/svg+xml", alt="words"))
    page = Page(html(Document(title="", subtitle="", sections=(Section(id="s", title="S", blocks=(figure,)),))))
    start, _, sent = page.all("src")[0].partition(",")
    assert start == "data:image/svg+xml"
    assert unquote(sent) == svg


def test_the_page_stays_small(quick_report: Document) -> None:
    assert len(html(quick_report).encode()) < 5_000_000


def test_hostile_names_come_out_as_text() -> None:
    runs = [
        SyntheticRun(variant=HOSTILE, fid=9.0, columns={"note": HOSTILE, "reason": HOSTILE}),
        SyntheticRun(variant="b", status="failed", columns={"reason": HOSTILE}),
    ]
    page = Page(html(build(results([*runs, *synthetic_runs({"c": (1.0, 2.0, 3.0)})]), title=HOSTILE)))
    assert page.tags.count("script") == 1
    assert not any(name.startswith("on") for name, _ in page.attributes)
    assert page.text.count(HOSTILE) >= 4
