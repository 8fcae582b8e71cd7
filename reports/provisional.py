"""Report of a suite that still runs, or was interrupted: `python -m reports.provisional SUITE ENDED TOTAL FOLDER BEFORE`.

`ganbench suite --report` starts it as a separate process at low priority. The store is `MLFLOW_TRACKING_URI`. It writes index.html only.
BEFORE is the version of that file when the suite began (`bench.core.atomic_files.version_of`). The process replaces this version and
provisional pages, but no whole report of a later time. The exit status is then `UNCHANGED`.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.tracking.results import Results
    from reports.document import Document

NICENESS = 5  # about a quarter of a busy core. At 19, a page of three seconds would take minutes on a machine whose cores all train
UNCHANGED = 3  # exit status if a whole report is in the folder


def main() -> None:
    """Write the page. The exit status is 1, with one line on standard error, if it cannot be written."""
    os.nice(NICENESS)
    gc.disable()  # the process is short, and the collection of cycles takes a fifth of its time
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # an exception, so that no temporary file remains
    suite, ended, total, folder, before = sys.argv[1:]
    from bench.core.errors import UserError

    try:
        written = write_provisional(
            os.environ["MLFLOW_TRACKING_URI"], suite, notice(suite, int(ended), int(total)), folder=Path(folder), before=before
        )
    except UserError as error:
        sys.exit(str(error))
    finally:
        gc.freeze()  # Python collects once more when it ends, which takes half a second otherwise
    sys.exit(0 if written else UNCHANGED)


def write_provisional(uri: str, suite: str, notice: str, *, folder: Path, before: str = "") -> Path | None:
    """Write verdict, summary and samples of the recorded runs below a notice, and return the path of the page. Raises UserError.

    Returns None, and writes nothing, if the folder has a whole report of another version than `before`.
    """
    # Slow to import, so it comes before `load`, which opens the store under a lock. Workers that start a run wait for that lock.
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401

    from bench.core.atomic_files import version_of
    from bench.tracking.results import load
    from reports.html import html, is_provisional
    from reports.io import lock_folder, write_all
    from reports.render import HTML

    content, page = html(build_provisional(load(uri, (suite,)), suite, notice)).encode(), folder / HTML
    with lock_folder(folder):  # a whole report is written before the check, or after the provisional page
        if version_of(page) not in ("", before) and not is_provisional(page):
            return None
        write_all({page: content}, f"the report to {str(folder)!r}")
    return page


def build_provisional(results: Results, suite: str, notice: str) -> Document:
    """Return the verdict, the summary and the final samples below a notice. Raises a UserError for results without any run."""
    from reports.assembly import assemble
    from reports.sections import sample_grids, summary, verdict
    from reports.view import view

    sections = ((verdict.TITLE, verdict.build), (summary.TITLE, summary.build), (sample_grids.TITLE, sample_grids.build_final))
    return assemble(view(results), sections, title=f"GAN benchmark: {suite} (provisional)", notice=notice)


def notice(suite: str, ended: int, total: int) -> str:
    """Return the text at the top of a page of a suite that runs. It is true even if the suite is killed later."""
    return (
        f"Provisional: {_so_far(ended, total)}. Verdict, ranks and samples may still change. While the suite runs, reload this page for newer results. "
        f"When the suite finishes, the whole report replaces this page. If it was killed, run the same command again. {_whole(suite)}"
    )


def notice_of_interrupted(suite: str, ended: int, total: int) -> str:
    """Return the text at the top of the page of an interrupted suite."""
    return (
        f"Interrupted: {_so_far(ended, total)}, and the suite stopped. Run the same command again to resume it. "
        f"When it finishes, the whole report replaces this page. {_whole(suite)}"
    )


def _so_far(ended: int, total: int) -> str:
    return f"{ended} of the {total} runs of this command had finished or failed at {datetime.now():%H:%M on %Y-%m-%d}"


def _whole(suite: str) -> str:
    return f"`ganbench report --suite {suite}` writes the whole report on the recorded runs."


if __name__ == "__main__":
    main()
