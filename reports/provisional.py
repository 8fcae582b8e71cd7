"""Provisional report of a suite that still runs: `python -m reports.provisional SUITE ENDED TOTAL FOLDER`.

`ganbench suite --report` starts it as a separate process at low priority. The store is `MLFLOW_TRACKING_URI`. It writes index.html only.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

NICENESS = 5  # about a quarter of a busy core. At 19, a page of three seconds would take minutes on a machine whose cores all train


def main() -> None:
    """Write the page. The exit status is 1, with one line on standard error, if it cannot be written."""
    os.nice(NICENESS)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # an exception, so that no temporary file remains
    suite, ended, total, folder = sys.argv[1:]
    from bench.core.errors import UserError

    try:
        write_provisional(os.environ["MLFLOW_TRACKING_URI"], suite, ended=int(ended), total=int(total), folder=Path(folder))
    except UserError as error:
        sys.exit(str(error))


def write_provisional(uri: str, suite: str, *, ended: int, total: int, folder: Path) -> Path:
    """Write the verdict, the summary and the samples of the runs that have ended, and return the path of the page. Raises UserError."""
    # Slow to import, so it comes before `load`, which opens the store under a lock. Workers that start a run wait for that lock.
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401

    from bench.tracking.results import load
    from reports.build import build
    from reports.html import html
    from reports.io import write_all
    from reports.render import HTML

    document = build(load(uri, (suite,)), title=f"GAN benchmark: {suite} (provisional)", provisional=notice(suite, ended, total))
    write_all({folder / HTML: html(document).encode()}, f"the report to {str(folder)!r}")
    return folder / HTML


def notice(suite: str, ended: int, total: int) -> str:
    """Return the text at the top of the page."""
    return (
        f"Provisional: {ended} of the {total} runs of this command have finished or failed. Verdict, ranks and samples may still change. Reload this page for newer results. "
        f"When the suite finishes, the whole report replaces this page. If the suite is interrupted, `ganbench report --suite {suite}` writes the report."
    )


if __name__ == "__main__":
    main()
