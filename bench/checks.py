"""What one check of `ganbench doctor` says."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing looked at. `advice` is empty where all is well and nothing could be better; else it holds a command."""

    name: str
    ok: bool
    found: str
    advice: str = ""
    needed: bool = False  # whether nothing works without it: only such a one makes doctor fail

    @property
    def mark(self) -> str:
        """ok, -- for something optional that is not there, NO for something needed."""
        return "ok" if self.ok else "NO" if self.needed else "--"

    def as_json(self) -> dict[str, str | bool]:
        """The check as a JSON object."""
        return asdict(self)
