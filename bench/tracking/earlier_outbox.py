"""Conversion of `outbox/<run id>` folders, in which earlier versions saved each write as a file, to journals."""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import suppress
from pathlib import Path

from bench.core.errors import one_line
from bench.core.text import stays_inside
from bench.tracking.journal import DamagedJournal, End, RunJournal, digest_of


def convert(outbox: Path) -> None:
    """Replace the outbox of an ended run by a journal beside the checkpoints. Raises DamagedJournal and OSError.

    The outbox of a killed run stays. The checkpoint has all its writes, and the process that resumes the run sends them to a new run in the store.
    """
    files = [
        file for folder in (outbox, outbox / "refused") for file in folder.glob("*.json") if file.stem.isascii() and file.stem.isdigit()
    ]
    journal, artifacts, file = RunJournal(folder=outbox.parent.parent, run_id=outbox.name), {}, outbox
    try:
        for file in sorted(files, key=lambda file: int(file.stem)):
            stored = json.loads(file.read_bytes())
            entry, body = stored["entry"], stored["entry"]["body"]
            if stored["sha256"] != digest_of(entry) or entry["run_id"] != outbox.name:
                raise ValueError("its hash does not match")
            journal.name, journal.store = entry["name"], entry["uri"]
            if entry["kind"] == "points":
                journal.points += [(int(images), 0.0, key, float(value), int(ms)) for key, value, ms, images in body["points"]]
            elif entry["kind"] == "tags":
                journal.tags |= body["tags"]
            elif entry["kind"] == "end":
                journal.end = End.model_validate({"status": journal.tags.get("status"), "ms": body["ms"]})
            else:
                content = artifacts[body["path"]] = (file.with_suffix("") / Path(body["path"]).name).read_bytes()
                if not stays_inside(body["path"]) or hashlib.sha256(content).hexdigest() != entry["artifact_sha256"]:
                    raise ValueError(f"the artifact {body['path']!r} does not have the recorded hash")
        RunJournal.from_state(journal.state_dict(), None)
    except (DamagedJournal, OSError, ValueError, KeyError, TypeError, RecursionError, AttributeError) as error:
        raise DamagedJournal(f"{file} is damaged: {one_line(error, most=120)}") from error
    if journal.end:
        for path, content in artifacts.items():
            journal.artifact(path, content)
        journal.save()
        shutil.rmtree(outbox)
        with suppress(OSError):  # the folder contains another outbox
            outbox.parent.rmdir()
