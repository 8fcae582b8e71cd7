"""Make the example reports, the baseline, variants.md and the pictures of docs/ again, from recorded runs.

    make pictures                                     # all parts: hours if no run is recorded, minutes if all are
    make pictures ONLY=quick,mlflow                   # some parts
    python docs/make_pictures.py --list               # the parts, and the files of each
    python docs/make_pictures.py --only quick --recorded    # from the recorded runs: trains nothing

Each part first records its runs with ganbench, which skips finished ones, so a second call only renders. The store is MLFLOW_TRACKING_URI,
else ./mlflow.db. Screenshots need Chromium and playwright (the extra `dev`). Without them, the script names the pictures that it cannot make.
"""

from __future__ import annotations

import argparse
import fnmatch
import functools
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parent
GANBENCH = Path(sys.executable).with_name("ganbench")
BUILD = Path("build")
WITH_PAGE = ("quick",)  # examples that also have index.html. The others have report.md only, because a page is large

# Pictures and examples that this script does not make, with the reason.
OTHERS = {
    "images/headline.png": "docs/headline/README.md has its commands: other runs, and an optional extra",
    "images/tutorial/*.png": "docs/make_tutorial_images.py makes them from the runs of the page's own commands",
}


@dataclass(frozen=True, kw_only=True)
class Part:
    """Files that are made from the same runs."""

    name: str
    files: tuple[str, ...]  # or folders, as globs relative to the folder `docs`
    record: tuple[str, ...]  # a command of ganbench that records the runs
    make: Callable[[Path], None]  # gets the folder `docs`, or another one with the same layout
    browser: bool = False


def ganbench(*words: str) -> None:
    """Run a command. Raise SystemExit if it fails. A failed run (status 1) is a result, too."""
    print(f"$ ganbench {' '.join(words)}", flush=True)
    status = subprocess.run([str(GANBENCH), *words]).returncode
    if status > 1 or (status and words[0] not in ("suite", "study")):
        raise SystemExit(f"ganbench {' '.join(words)} exited with status {status}; its message is above")


def example(name: str) -> Callable[[Path], None]:
    """Return a function that writes the example report of a suite or study."""

    def make(docs: Path) -> None:
        folder = docs / "examples" / name
        ganbench("report", "--suite", name, "--small", "--out", str(folder))
        if name not in WITH_PAGE:
            (folder / "index.html").unlink()

    return make


@functools.cache
def page_of(suite: str) -> Path:
    """Write the whole report of a suite, once in a call of this script, and return its page."""
    folder = BUILD / "pictures" / suite
    ganbench("report", "--suite", suite, "--out", str(folder))
    return folder / "index.html"


def baseline(docs: Path) -> None:
    """Write the published baseline."""
    ganbench("report", "--suite", "quick", "--csv", str(docs / "baseline"), "--out", str(BUILD / "pictures" / "quick"))


def variants(docs: Path) -> None:
    """Write variants.md and its samples."""
    subprocess.run([sys.executable, str(DOCS / "make_variants.py"), "--docs", str(docs)], check=True)


def report_picture(docs: Path) -> None:
    """Make the README's picture."""
    import screenshots

    screenshots.report(page_of("quick"), docs / "images" / "report.png")


def study_picture(docs: Path) -> None:
    """Make the picture of a study."""
    import screenshots

    screenshots.study(page_of("lr-k-quick"), docs / "images" / "study.png")


def mlflow_pictures(docs: Path) -> None:
    """Make the pictures of MLflow's pages."""
    import screenshots

    screenshots.mlflow("quick", "dcgan", docs / "images", command=(str(GANBENCH), "ui"))


def perf_picture(docs: Path) -> None:
    """Make the picture of the speed, from the measurement in build/perf."""
    import screenshots

    screenshots.svg(BUILD / "perf" / "perf.svg", docs / "images" / "perf.png")


QUICK, STUDY = ("suite", "quick"), ("study", "lr-k-quick")
PARTS = (
    Part(name="quick", files=("examples/quick",), record=QUICK, make=example("quick")),
    Part(name="baseline", files=("baseline/*.csv", "baseline/about.json"), record=QUICK, make=baseline),
    Part(name="report", files=("images/report.png",), record=QUICK, make=report_picture, browser=True),
    Part(name="mlflow", files=("images/mlflow-*.png",), record=QUICK, make=mlflow_pictures, browser=True),
    Part(name="losses", files=("examples/losses",), record=("suite", "losses"), make=example("losses")),
    Part(name="modes", files=("examples/modes",), record=("suite", "modes"), make=example("modes")),
    Part(name="lr-k-quick", files=("examples/lr-k-quick",), record=STUDY, make=example("lr-k-quick")),
    Part(name="study", files=("images/study.png",), record=STUDY, make=study_picture, browser=True),
    Part(name="variants", files=("variants.md", "images/variants/*.png"), record=("suite", "catalogue"), make=variants),
    Part(name="perf", files=("images/perf.png",), record=("perf",), make=perf_picture, browser=True),
)


def make_parts(parts: Sequence[Part], docs: Path, *, recorded: bool) -> list[str]:
    """Make some parts, and return the names of the files that need a browser that is missing. With `recorded`, train nothing."""
    import screenshots

    problem, left_out, done = screenshots.problem(), [], set[tuple[str, ...]]()
    for index, part in enumerate(parts, 1):
        started = time.monotonic()
        print(f"[{index}/{len(parts)}] {part.name}: {', '.join(part.files)}", flush=True)
        if part.browser and problem:
            left_out += part.files
            continue
        if not recorded and part.record not in done and not _is_measured(part):
            ganbench(*part.record)
        done.add(part.record)
        part.make(docs)
        print(f"[{index}/{len(parts)}] {part.name}: {time.monotonic() - started:,.0f} s", flush=True)
    if left_out:
        print(f"{problem}, so these pictures are unchanged: {', '.join(left_out)}", file=sys.stderr)
    return left_out


def _is_measured(part: Part) -> bool:
    """Return whether the speed is measured already. ganbench itself skips finished runs, but not this measurement."""
    return part.record == ("perf",) and (BUILD / "perf" / "perf.svg").exists()


def main() -> None:
    """Make the chosen parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="*", metavar="GLOBS", help="the parts, e.g. quick,mlflow")
    parser.add_argument("--list", action="store_true", help="print the parts")
    parser.add_argument("--recorded", action="store_true", help="train nothing: use the recorded runs")
    parser.add_argument("--out", type=Path, default=DOCS, metavar="DIR", help="write to this folder instead of docs/")
    options = parser.parse_args()
    globs = [glob.strip() for glob in options.only.split(",")]
    chosen = [part for part in PARTS if any(fnmatch.fnmatchcase(part.name, glob) for glob in globs)]
    if not chosen:
        parser.error(f"no part matches {options.only!r}: there are {', '.join(part.name for part in PARTS)}")
    if options.list:
        for part in chosen:
            print(f"{part.name:<12} {', '.join(part.files):<40} ganbench {' '.join(part.record)}")
        return
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    left_out = make_parts(chosen, options.out.absolute(), recorded=options.recorded)
    raise SystemExit(1 if left_out else 0)


if __name__ == "__main__":
    main()
