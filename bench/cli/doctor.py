"""Checks of `ganbench doctor`. Each check reports a state and, for a problem, what to do."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from bench.cli.machine_checks import Check, check_disks, check_ray, check_shared_memory, machine_facts
from bench.core.config import DATASETS
from bench.core.environment import PACKAGES, installed
from bench.core.errors import UserError, one_line
from bench.core.text import pluralise
from bench.data.catalog import available
from bench.data.sources import Source, Unavailable
from bench.tracking.pages import every_experiment
from bench.tracking.store import connect, is_writable, redacted, sqlite_path, tracking_uri

OLDEST_PYTHON = (3, 11)


def doctor(*, network: bool = False, deep: bool = False) -> list[Check]:
    """Run all checks, the most likely problems first, and return them. Fetches, creates and writes nothing.

    With `network`, also check that the sources of missing datasets answer. With `deep`, also start Ray.
    """
    return [
        check_python(),
        check_packages(),
        *check_datasets(network=network),
        *check_extractors(),
        check_store(),
        *check_ray(deep=deep),
        *check_shared_memory(),
        *check_disks(),
    ]


def missing(checks: Sequence[Check]) -> list[str]:
    """Return the names of the required checks that fail. If any fails, the exit status is 1."""
    return [check.name for check in checks if check.needed and not check.ok]


def as_json(checks: Sequence[Check]) -> dict[str, Any]:
    """Return the checks and the facts of this machine as a JSON object."""
    return {
        "ok": not missing(checks),
        "missing": missing(checks),
        "machine": machine_facts(),
        "checks": [check.as_json() for check in checks],
    }


def check_python() -> Check:
    """Check the version of Python."""
    ok = sys.version_info >= OLDEST_PYTHON
    advice = "" if ok else "make setup PYTHON=python3.11, or a newer version"
    return Check(name="python", ok=ok, needed=True, found=sys.version.split()[0], advice=advice)


def check_packages() -> Check:
    """Check that the packages that determine results are installed, and report their versions."""
    found = {package: installed(package) for package in PACKAGES}
    absent = [package for package, number in found.items() if number is None]
    text = ", ".join(f"{package} {number or 'missing'}" for package, number in found.items())
    return Check(name="packages", ok=not absent, needed=True, found=text, advice="make setup" if absent else "")


def check_datasets(*, network: bool = False) -> Iterator[Check]:
    """Check that each registered dataset is on this machine. At least one dataset is required."""
    reasons = {name: available(name) for name, _ in DATASETS}
    none = all(reasons.values())
    for name, dataset in DATASETS:
        reason = reasons[name]
        if reason is None:
            task = dataset.spec.task
            yield Check(name=f"data {name}", ok=True, found="available" if task == "generation" else f"available, task {task}")
            continue
        found, _, _ = reason.partition(": ")
        if network:
            found += "; " + "; ".join(_answers(dataset))
        yield Check(name=f"data {name}", ok=False, needed=none, found=found, advice=f"ganbench data fetch {name}")


def _answers(dataset: object) -> Iterator[str]:
    """Yield the answer of each source of a dataset."""
    sources: Sequence[Source] = getattr(dataset, "sources", ())
    names = [str(file.name) for file in getattr(dataset, "files", ())]
    for source in sources:
        try:
            yield f"{source.name}: {source.probe(names)}"
        except Unavailable as error:
            yield f"{source.name}: no, {one_line(error, most=100)}"


def check_extractors() -> Iterator[Check]:
    """Check the feature extractors and their hashes: the bundled ones, those trained on this machine, and the optional ones."""
    from bench.metrics.extractors import extractor_names, load_extractor

    for name in extractor_names():
        try:
            extractor = load_extractor(name)
        except UserError as error:
            yield Check(name=f"extractor {name}", ok=False, needed=True, found=str(error), advice="pip install --force-reinstall ganbench")
        else:
            found = f"accuracy {extractor.card.accuracy:.1%}, weights {extractor.weights_hash[:12]}, hash correct"
            yield Check(name=f"extractor {name}", ok=True, needed=True, found=found)
    yield from _trained_extractors()
    yield _photo()
    yield _inception()


def _trained_extractors() -> Iterator[Check]:
    """Check the classifiers that this machine has trained for other labelled datasets."""
    from bench.metrics.extractors.local import read, trained_folders

    for folder in trained_folders():
        try:
            extractor = read(folder)
        except UserError as error:
            advice = f"rm -r {shlex.quote(str(folder))}; the next command that needs the classifier retrains it"
            yield Check(name=f"extractor {folder.name}", ok=False, found=str(error), advice=advice)
        else:
            card = extractor.card
            found = f"trained here on {card.dataset}, accuracy {card.accuracy:.1%}, weights {card.weights_sha256[:12]}, hash correct"
            yield Check(name=f"extractor {folder.name}", ok=True, found=found)


def _photo() -> Check:
    """Check the weights of the extractor `photo`, which are optional. Writes nothing."""
    from bench.core.serialization import load
    from bench.metrics.extractors.photo import INSTALL, find_weights, weights_file

    try:
        path = find_weights()
        if path == weights_file():
            load(path)
    except UserError as error:
        advice = f"rm -f {shlex.quote(str(weights_file()))}; {INSTALL}, to measure quality/fid_photo"
        return Check(name="extractor photo", ok=False, found=str(error), advice=advice)
    return Check(name="extractor photo", ok=True, found=str(path))


def _inception() -> Check:
    """Check the weights of the published FID, which are optional. Downloads nothing."""
    from bench.metrics.extractors.inception import VARIABLE, find_weights

    try:
        path = find_weights(download=False)
    except UserError as error:
        return Check(
            name="extractor inception", ok=False, found=str(error), advice=f"export {VARIABLE}=PATH, to measure quality/fid_inception"
        )
    return Check(name="extractor inception", ok=True, found=f"{path}, hash correct")


def check_store(uri: str | None = None) -> Check:
    """Check that the tracking store answers. If it is a file, also check that it can be written."""
    try:
        chosen = tracking_uri(uri)
        found = _store(chosen)
    except UserError as error:
        advice = "set MLFLOW_TRACKING_URI to a store that answers, e.g. export MLFLOW_TRACKING_URI=sqlite:///$HOME/mlflow.db"
        return Check(name="tracking store", ok=False, needed=True, found=str(error), advice=advice)
    return Check(name="tracking store", ok=True, needed=True, found=found)


def _store(uri: str) -> str:
    """Return a summary of a store. Raises UserError if the store does not answer or cannot be written."""
    path, public = sqlite_path(uri), redacted(uri)
    if path is not None and not is_writable(path):
        raise UserError(f"{public} cannot be written")
    if path is not None and (not path.exists() or (path.is_file() and not path.stat().st_size)):
        return f"{public} (the first run creates it)"
    experiments = len(every_experiment(connect(uri)))
    size = f", {path.stat().st_size / 1e6:.1f} MB" if path is not None else ""
    return f"{public}: answers, {pluralise(experiments, 'experiment')}{size}"
