"""Section on mode coverage: found modes and their shares, covered classes, and bins of the training data with wrong shares."""

from __future__ import annotations

from bench.core.text import pluralise
from bench.metrics.columns import REVERSE_KL, measured
from bench.tracking.results import EVIDENCE
from reports.cohort import POINTS, Cohort, numbers
from reports.document import Block, Gallery, Heading, Section, Text, Tile
from reports.format import LONG, count, join_words
from reports.plots import base, mode_shares
from reports.plots.mode_shares import ShareKind
from reports.sections.common import by_cohort
from reports.sections.metric_tables import has_column, heading, mean_cell, metric_table
from reports.view import View

TITLE = "Modes"
FOUND = "modes/found"
BINS = ("modes/ndb", "modes/js_bins")
HEADINGS: dict[ShareKind, str] = {"modes": "Shares of the modes", "bins": "Shares of the bins (NDB)"}
CLIPPED = f" The scale ends at {mode_shares.CLIP:g} times the largest share of the line; a number gives a larger share."


def build(view: View) -> Section | None:
    """Return for each cohort a table, and the shares of modes and bins of each entry, or None if neither was measured."""
    blocks = by_cohort(view, lambda cohort: _blocks(cohort, view))
    return Section(id="modes", title=TITLE, blocks=blocks) if blocks else None


def _blocks(cohort: Cohort, view: View) -> list[Block]:
    if not any(has_column(cohort, key) for key in (FOUND, *BINS)):
        return []
    keys = [key for key in measured() if key.startswith("modes/") and has_column(cohort, key)]
    of = _count(cohort, view)
    titles = {FOUND: heading(FOUND).replace("found", f"found of {of:,}")} if of else {}
    notes = [f"{cohort.setting}. Mean over finished runs, with the smallest and the largest.", *_readings(keys, cohort.things)]
    found = metric_table(cohort, view.palette, keys, mean_cell, caption=" ".join(notes), titles=titles)
    return [*_lead(cohort, of), found, *_pictures(cohort, view, "modes"), *_pictures(cohort, view, "bins")]


def _pictures(cohort: Cohort, view: View, kind: ShareKind) -> list[Block]:
    """Return a panel for each entry with recorded shares of its modes or bins, all on one scale."""
    panels = {}
    for entry in cohort.entries:
        pairs = zip(entry.runs["seed"], entry.runs["run_id"], strict=True)
        data = mode_shares.mode_shares_data({int(seed): view.results.read_json(str(run), EVIDENCE) or {} for seed, run in pairs}, kind)
        if not data.empty:
            panels[entry.name] = data
    if not panels:
        return []
    end = mode_shares.scale_end(list(panels.values()))
    tiles = []
    for name, data in panels.items():
        style, detail = view.palette[name], pluralise(int(data["seeds"].iloc[0]), "seed")
        with base.axes(3.4, 1.9) as ax:
            mode_shares.draw(ax, data, style, end)
            tiles.append(Tile(title=name, colour=style.colour, detail=detail, picture=base.picture(ax, mode_shares.alt(name, data, kind))))
    clipped = any(mode_shares.is_clipped(data, end) for data in panels.values())
    caption = _caption(kind, cohort.things, max(map(len, panels.values()))) + (CLIPPED if clipped else "")
    return [Heading(text=HEADINGS[kind]), Gallery(id=f"{kind}-{cohort.index}", caption=caption, tiles=tuple(tiles), tile_width=270)]


def _caption(kind: ShareKind, things: str, most: int) -> str:
    """Return the content of the panels, and their order."""
    if kind == "bins":
        return (
            f"Filled: share of generated {things} in each bin, mean over seeds; line: share of training {things}, the largest bin first. "
            "A gap below the line is a missing kind. A peak is a kind that is generated too often."
        )
    order = "in the order of the data" if most <= mode_shares.IN_ORDER else f"by their share, if there are more than {mode_shares.IN_ORDER}"
    whose = "nearest to" if things == "points" else "that the classifier assigns to"
    return f"Filled: share of generated {things} {whose} each mode, mean over seeds; line: an equal share. Modes {order}."


def _readings(keys: list[str], things: str) -> list[str]:
    """Return explanations of the columns."""
    readings = {
        REVERSE_KL: "Reverse KL of a finite sample of real data is above 0 too: the row real is the lower bound.",
        POINTS: "Reverse KL assigns a point to its nearest centre at any distance, so read it together with high quality. The true Gaussians have "
        "a high quality of 98.89 % (1 − exp(−9/2)). A much larger value means collapse within the modes, with points too near the centres.",
        BINS[0]: f"Bins are k-means cells of the training {things}; for real {things} about 5 % of the bins differ significantly.",
    }
    return [words for key, words in readings.items() if key in keys]


def _lead(cohort: Cohort, of: int) -> list[Block]:
    """Return the entries that find all modes in every finished run, in words. The text is empty if the number of modes is unknown."""
    if not of or not has_column(cohort, FOUND):
        return []
    finders = []
    for entry in cohort.entries:
        values = numbers(entry.runs[entry.runs["status"] == "finished"], FOUND)
        if values and min(values) >= of:
            finders.append(entry.name)
    words = (
        f"{join_words(finders)} {'finds' if len(finders) == 1 else 'find'} all {count(of)} modes in every finished run." if finders else ""
    )
    return [Text(text=words or f"No entry finds all {count(of)} modes in every finished run.", tone="lead")]


def _count(cohort: Cohort, view: View) -> int:
    """Return the recorded number of modes of the data, or 0 if the runs have none or disagree."""
    recorded = set()
    for run_id in cohort.runs["run_id"]:
        modes = (view.results.read_json(str(run_id), EVIDENCE) or {}).get("modes")
        value = modes.get("count") if isinstance(modes, dict) else None
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value < LONG:
            recorded.add(value)
    return recorded.pop() if len(recorded) == 1 else 0
