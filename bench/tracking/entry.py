"""One write of a run on its way to its tracker, as it lies on disk: hashed, and judged before it is believed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bench.core.errors import one_line
from bench.core.text import stays_inside

Kind = Literal["points", "tags", "artifact", "end"]
KINDS: tuple[Kind, ...] = ("points", "tags", "artifact", "end")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One write: what, of which run, to which store."""

    kind: Kind
    run_id: str
    name: str  # of the run, for messages
    uri: str  # of the store, without anything secret
    body: dict[str, Any]  # points: [[key, value, ms, step], ...]; tags: {...}; path: of the artifact; status and ms: of the end
    artifact_sha256: str = ""

    @property
    def label(self) -> str:
        """What it writes, for messages."""
        return f"the artifact {self.body['path']}" if self.kind == "artifact" else {"end": "the end"}.get(self.kind, self.kind)


class Refused(Exception):
    """A write that its store refuses for good. The message says why."""


class Damaged(Exception):
    """An entry that is not as it was written. The message names it and says what is wrong."""


def read_entry(file: Path) -> Entry:
    """The entry in a file, as it was written. Raises Damaged."""
    try:
        stored = json.loads(file.read_bytes())
        if stored["sha256"] != digest_of(stored["entry"]):
            raise Damaged(f"{file} is damaged: its hash does not match")
        entry = Entry(**stored["entry"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise Damaged(f"{file} is damaged: {one_line(error, most=120)}") from error
    if not _is_sound(entry):
        raise Damaged(f"{file} is damaged: it is no write of a run")
    return entry


def _is_sound(entry: Entry) -> bool:
    """Whether an entry holds what one of its kind must, and names no artifact outside those of its run."""
    texts = (entry.kind, entry.run_id, entry.name, entry.uri, entry.artifact_sha256)
    if not all(isinstance(text, str) for text in texts) or entry.kind not in KINDS or not isinstance(entry.body, dict):
        return False
    path = entry.body.get("path", "")
    return entry.kind != "artifact" or (isinstance(path, str) and stays_inside(path) and bool(Path(path).name))


def artifact_of(entry: Entry, folder: Path) -> Path:
    """The file of an entry's artifact in its folder, as it was written. Raises Damaged."""
    file = folder / Path(entry.body["path"]).name
    try:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise Damaged(f"{file} is damaged: {one_line(error, most=120)}") from error
    if digest != entry.artifact_sha256:
        raise Damaged(f"{file} is damaged: its hash does not match")
    return file


def digest_of(entry: dict[str, Any]) -> str:
    """The hash that is written down with an entry."""
    return hashlib.sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()
