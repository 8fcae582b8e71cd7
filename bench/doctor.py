"""What `ganbench doctor` looks at: each check says what it found, and where that is a problem, what to do."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.config import DATASETS
from bench.data.catalog import available
from bench.environment import PACKAGES, cores, cpu_name, device_name, device_of, devices, installed, native_bf16
from bench.errors import UserError
from bench.store import connect, redacted, sqlite_path, tracking_uri

OLDEST_PYTHON = (3, 11)
FREE_DISK_GB = 2.0


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing looked at. `advice` is empty where all is well and nothing could be better."""

    name: str
    ok: bool
    found: str
    advice: str = ""


def doctor() -> list[Check]:
    """Every check, in the order of the likeliest trouble. Nothing is fetched, created or written."""
    return [
        check_python(),
        check_packages(),
        check_device(),
        check_cores(),
        check_precision(),
        *check_datasets(),
        *check_extractors(),
        check_store(tracking_uri()),
        check_ray(),
        check_disk(Path.cwd()),
    ]


def check_python() -> Check:
    """The interpreter."""
    ok = sys.version_info >= OLDEST_PYTHON
    return Check(name="python", ok=ok, found=sys.version.split()[0], advice="" if ok else "use Python 3.11 or newer")


def check_packages() -> Check:
    """Versions of the packages that numbers depend on."""
    found = {package: installed(package) for package in PACKAGES}
    missing = [package for package, number in found.items() if number is None]
    text = ", ".join(f"{package} {number or 'missing'}" for package, number in found.items())
    return Check(name="packages", ok=not missing, found=text, advice="run `make setup`" if missing else "")


def check_device() -> Check:
    """The devices, and the one that `auto` means."""
    best = device_of("auto")
    return Check(name="device", ok=True, found=f"{best} ({device_name(best)}); here: {', '.join(devices())}")


def check_cores() -> Check:
    """Cores and threads: runs go side by side, one core each."""
    many = cores()
    advice = "" if many > 1 else "runs of a suite will go one after another"
    return Check(name="cores", ok=True, found=f"{many} ({cpu_name()}); a run computes with 1 thread unless `threads` is set", advice=advice)


def check_precision() -> Check:
    """Whether `auto` trains in bf16 here."""
    native = native_bf16(device_of("auto"))
    return Check(
        name="precision", ok=True, found="bf16 is native: `auto` trains in bf16" if native else "bf16 is not native: `auto` trains in fp32"
    )


def check_datasets() -> Iterator[Check]:
    """Each registered dataset: is it on this machine?"""
    for name, _ in DATASETS:
        reason = available(name)
        what, _, advice = (reason or "here").partition(": ")
        yield Check(name=f"data {name}", ok=reason is None, found=what, advice=f"run {advice}" if advice else "")


def check_extractors() -> Iterator[Check]:
    """The feature extractors that ship with the package: present and, by their hashes, unchanged."""
    from bench.metrics.extractors import load_extractor

    for name, _ in DATASETS:
        try:
            extractor = load_extractor(name)
        except UserError as error:
            yield Check(name=f"extractor {name}", ok=False, found=str(error), advice="install ganbench again")
        else:
            yield Check(
                name=f"extractor {name}", ok=True, found=f"accuracy {extractor.card.accuracy:.1%}, weights {extractor.weights_hash[:12]}"
            )


def check_store(uri: str) -> Check:
    """The tracking store: does it answer, and can it be written if it is a file?"""
    path = sqlite_path(uri)
    try:
        if path is None or path.exists():
            connect(uri)
        if path is not None and not _writable(path):
            raise UserError(f"{redacted(uri)} cannot be written")
    except UserError as error:
        return Check(
            name="tracking store",
            ok=False,
            found=str(error).replace(uri, redacted(uri)),
            advice="set MLFLOW_TRACKING_URI, or mend the store",
        )
    new = path is not None and not path.exists()
    return Check(name="tracking store", ok=True, found=redacted(uri) + (" (made by the first run)" if new else ""))


def _writable(path: Path) -> bool:
    """Whether a file can be written, or made: sqlite also writes beside it."""
    return os.access(path.parent, os.W_OK) and (not path.exists() or os.access(path, os.W_OK))


def check_ray() -> Check:
    """Ray, which runs a suite's runs side by side."""
    number = installed("ray")
    advice = "" if number else "install ganbench[parallel], or runs go one after another"
    return Check(name="ray", ok=number is not None, found=number or "missing", advice=advice)


def check_disk(folder: Path) -> Check:
    """Room for runs, checkpoints and the tracking store."""
    free = shutil.disk_usage(folder).free / 1e9
    ok = free >= FREE_DISK_GB
    return Check(name="disk", ok=ok, found=f"{free:.1f} GB free", advice="" if ok else f"have at least {FREE_DISK_GB:g} GB free")
