"""The report in a real browser: requests, errors, width, accessibility and the script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from synthetic_results import QUICK, SyntheticRun, complete, references, results

from reports.build import build, write

pytestmark = pytest.mark.slow

HOSTILE = (
    '"><script>window.hit = 1</script>',
    "<img src=x onerror='window.hit = 2'>",
    "'; window.hit = 3; '",
    "</script><script>window.hit = 4</script>",
)


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the report on results like those of `quick`, whose order by recall differs from the order by the headline."""
    folder = tmp_path_factory.mktemp("report")
    runs = [
        SyntheticRun(variant=name, seed=seed, fid=fid, metrics={"quality/recall_classifier": (i * 0.37) % 1})
        for i, (name, values) in enumerate(QUICK.items())
        for seed, fid in enumerate(values)
    ]
    return write(build(results(complete([*runs, *references()]), folder), title="Suite quick"), folder / "report")


@pytest.fixture(scope="module")
def hostile_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    runs = [
        SyntheticRun(variant=name, seed=seed, fid=20.0 + 5 * i + seed, columns={"note": name, "reason": name})
        for i, name in enumerate((*HOSTILE, "x" * 300, "\u202egnp.exe", "猫 👩‍🚀"))
        for seed in range(3)
    ]
    return write(build(results(complete([*runs, *references()]), folder), title=HOSTILE[0]), folder / "report")


class Opened:
    """Page in a browser, with its console messages and requests."""

    def __init__(self, browser: Any, file: Path, **options: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **options})
        self.page = self.context.new_page()
        self.noise: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.noise.append(message.text))
        self.page.on("pageerror", lambda error: self.noise.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(file.as_uri())

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    def names(self, rows: str = "#summary .sortable >> nth=0 >> tbody tr:not(.reference):not(.off) th bdi") -> list[str]:
        """Return the entries of a table, by default the summary, in their order."""
        return list(self.page.locator(rows).all_inner_texts())


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("script", [True, False])
def test_the_page_stands_alone_and_fits(browser: Any, page_file: Path, width: int, scheme: str, script: bool) -> None:
    size = {"width": width, "height": 900}
    with Opened(browser, page_file, viewport=size, color_scheme=scheme, java_script_enabled=script) as opened:
        assert opened.page.title().startswith("Suite quick")
        assert opened.noise == []
        assert [url for url in opened.requests if not url.startswith("data:")] == [page_file.as_uri()]
        body = opened.page.locator("main").bounding_box()
        assert body is not None
        assert body["width"] <= width
        assert opened.page.locator(".filter").is_visible() is script
        if script:  # without scripts, the test cannot evaluate expressions in the page
            assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
            assert opened.page.evaluate("document.images.length") > 20
            assert opened.page.evaluate("[...document.images].filter(image => image.src && image.naturalWidth === 0).length") == 0


@pytest.mark.parametrize("width", [375, 768, 1920])
def test_the_verdict_is_readable_without_scrolling_to_the_side(browser: Any, page_file: Path, width: int) -> None:
    """On a phone, each verdict is a line with its title. On other pages, it is a cell below its title."""
    with Opened(browser, page_file, viewport={"width": width, "height": 900}) as opened:
        table = opened.page.locator("#verdict .scroll")
        assert table.evaluate("area => area.scrollWidth <= area.clientWidth")
        titles = table.locator("thead th").all_text_contents()
        assert table.locator("thead").is_visible() is (width > 640)
        cells = table.locator("tbody tr").first.locator("td:visible")
        labels = cells.evaluate_all("cells => cells.map(cell => getComputedStyle(cell, '::before').content)")
        assert all((content != "none") is (width <= 640) for content in labels)
        assert cells.evaluate_all("cells => cells.map(cell => cell.dataset.title)") == titles[1:]
        if width == 1920:
            assert opened.page.locator("#summary .scroll").first.evaluate("area => area.scrollWidth <= area.clientWidth")
            picture, caption = (opened.page.locator(f"#cost-0 > {part}").bounding_box() for part in (".scroll", "figcaption"))
            assert picture is not None
            assert caption is not None
            assert caption["x"] >= picture["x"] + picture["width"]  # beside the plot


@pytest.mark.parametrize("width", [390, 1440])
def test_hostile_names_do_nothing_and_fit(browser: Any, hostile_file: Path, width: int) -> None:
    with Opened(browser, hostile_file, viewport={"width": width, "height": 900}) as opened:
        assert opened.noise == []
        assert opened.page.evaluate("window.hit") is None
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
        assert opened.page.evaluate("document.scripts.length") == 1
        opened.page.locator(".filter [data-group]").first.click()
        opened.page.locator("#summary .sort").first.click()
        assert len(opened.names()) == 6
        assert opened.page.evaluate("window.hit") is None
        assert opened.noise == []


def test_the_contents_lead_to_every_section(browser: Any, page_file: Path) -> None:
    with Opened(browser, page_file) as opened:
        links = opened.page.evaluate("[...document.querySelectorAll('nav a')].map(link => link.hash.slice(1))")
        assert len(links) >= 8
        assert opened.page.evaluate("ids => ids.filter(id => !document.getElementById(id))", links) == []


def test_everything_is_read_without_the_script(browser: Any, page_file: Path) -> None:
    """Without the script, the page has the same words as with it."""
    texts = []
    for script in (True, False):
        with Opened(browser, page_file, java_script_enabled=script) as opened:
            texts.append([" ".join(text.split()) for text in opened.page.locator("section").all_text_contents()])
            assert opened.page.locator("button:visible").count() > 0 if script else opened.page.locator("button:visible").count() == 0
    with_script, without = texts
    assert [text.replace("through trainingend", "").split() for text in with_script] == [text.split() for text in without]


def test_a_table_is_sorted_by_any_column_and_back(browser: Any, page_file: Path) -> None:
    with Opened(browser, page_file) as opened:
        by_median = opened.names()
        assert len(by_median) == 8
        head = opened.page.locator("#summary .sortable >> nth=0 >> thead th", has_text="variant")
        head.locator("button").click()
        assert head.get_attribute("aria-sort") == "ascending"
        assert opened.names() == sorted(by_median)
        head.locator("button").click()
        assert opened.names() == sorted(by_median, reverse=True)
        head.locator("button").click()
        assert head.get_attribute("aria-sort") == "none"
        assert opened.names() == by_median
        for title, order in (("recall", "descending"), ("mean", "ascending")):
            head = opened.page.locator("#summary .sortable >> nth=0 >> thead th", has_text=title)
            head.locator("button").click()
            column = head.evaluate("head => head.cellIndex")
            cells = opened.page.locator(f"#summary .sortable >> nth=0 >> tbody tr:not(.reference) > :nth-child({column + 1})")
            values = [float(text.splitlines()[0]) for text in cells.all_inner_texts()]
            assert head.get_attribute("aria-sort") == order
            assert values == sorted(values, reverse=order == "descending")
            assert len(set(values)) > 4
        last = opened.page.locator("#summary .sortable >> nth=0 >> tbody tr >> nth=-1")
        assert "reference" in str(last.get_attribute("class"))
        assert opened.page.locator("#pairs table").first.locator("button").count() == 0  # the matrix is triangular
        opened.page.locator("#provenance summary").last.click()
        runs = opened.page.locator("#provenance table").last
        runs.locator("thead th >> nth=3 >> button").click()
        ids = runs.locator("tbody tr > :nth-child(4) code").all_inner_texts()
        assert len(set(ids)) == 24
        assert ids == sorted(ids)  # sorted as text, because "10e4" is an id, not a number


def test_a_variant_is_hidden_everywhere_at_once(browser: Any, page_file: Path) -> None:
    with Opened(browser, page_file) as opened:
        page = opened.page
        visible_parts = page.locator("[data-entry=wgan]:visible")
        before = {
            where: page.locator(f"#{where} [data-entry=wgan]:visible").count() for where in ("summary", "samples", "progress", "pairs")
        }
        assert all(before.values()), before
        page.locator("#pairs summary").click()
        others = page.locator("[data-entry=dcgan]:visible").count()
        page.locator(".filter [data-group=wgan]").click()
        assert visible_parts.count() == 0
        assert page.locator("main tbody th bdi:visible", has_text="wgan").all_inner_texts().count("wgan") == 0
        assert page.locator("#progress svg text:visible").all_inner_texts().count("wgan") == 0
        assert page.locator("[data-entry=dcgan]:visible").count() < others  # the pair of dcgan and wgan is hidden
        page.locator(".filter [data-group=wgan]").click()
        assert page.locator("[data-entry=dcgan]:visible").count() == others
        page.locator(".filter [data-all=false]").click()
        assert opened.names() == []
        assert page.locator("#summary tr.reference:visible").count() == 2
        page.locator(".filter [data-all=true]").click()
        assert len(opened.names()) == 8
        assert opened.noise == []


def test_the_slider_moves_the_samples_through_training(browser: Any, page_file: Path) -> None:
    with Opened(browser, page_file) as opened:
        page = opened.page
        source = "image => image.src"
        tile = page.locator("#wall-0 .tile", has_text="dcgan").locator("img")
        real = page.locator("#wall-0 .tile", has_text="reference").first.locator("img")
        strip = page.locator("#marks-0 tbody tr", has_text="dcgan").locator("img")
        end, unmoved = tile.evaluate(source), real.evaluate(source)
        slider = page.locator("#wall-0 input[type=range]")
        for mark, words in enumerate(page.locator("#marks-0 thead th").all_inner_texts()):
            slider.fill(str(mark))
            assert page.locator("#wall-0 output").inner_text() == words
            assert slider.get_attribute("aria-valuetext") == words
            assert tile.evaluate(source) == strip.nth(mark).evaluate(source)
            assert real.evaluate(source) == unmoved
        assert tile.evaluate(source) != end
        slider.press("End")
        assert page.locator("#wall-0 output").inner_text() == "end"
        assert tile.evaluate(source) == end


def test_a_picture_is_enlarged_by_mouse_and_by_keyboard(browser: Any, page_file: Path) -> None:
    with Opened(browser, page_file) as opened:
        page = opened.page
        image, dialog = page.locator("#wall-0 .tile img").first, page.locator("dialog")
        small = image.bounding_box()
        assert not dialog.is_visible()
        image.click()
        large = dialog.locator("img")
        assert large.evaluate("image => image.src") == image.evaluate("image => image.src")
        box = large.bounding_box()
        assert small is not None
        assert box is not None
        assert box["width"] > 2 * small["width"]
        page.keyboard.press("Escape")
        assert not dialog.is_visible()
        image.focus()
        page.keyboard.press("Enter")
        assert dialog.is_visible()
        dialog.locator("button").click()
        assert not dialog.is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_keeps_a_reader_out(browser: Any, page_file: Path, width: int, scheme: str) -> None:
    """axe-core finds no serious or critical violation on the page with all details unfolded."""
    from axe_playwright_python.sync_playwright import Axe

    options = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme, "bypass_csp": True}
    with Opened(browser, page_file, **options) as opened:
        opened.page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
        found = Axe().run(opened.page).response["violations"]
        assert [(rule["id"], rule["nodes"][0]["html"][:200]) for rule in found if rule["impact"] in ("serious", "critical")] == []
