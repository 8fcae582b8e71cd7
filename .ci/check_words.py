"""Check the project's words: print `file:line: 'word': write '...'` for each that has a standard term, and exit with status 1.

Reads identifiers, comments, docstrings and messages of *.py, and the prose of *.md. `make lint` runs it.
"""

from __future__ import annotations

import ast
import fnmatch
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

CHECKED = (
    ".ci", "bench", "docs", "reports", "studies", "tests", "variants", "CHANGELOG.md", "CONTRIBUTING.md", "README.md", "SECURITY.md",
)  # fmt: skip

# Prose: pattern -> what to write. A space stands for any white space, and `^` for the start of a docstring.
PROSE = {
    r"anew": "again, from scratch, retrain",
    r"whoever": "the process that, the user who",
    r"(?:any|some)body's": "a user's, another program's",
    r"be it": "whether ... or ...",
    r"(?:is|are|was|were|be) said": "is logged, is reported",
    r"what (?:is|are|was|were|has|have) no": "say what it is",
    r"at hand": "available, given",
    r"go(?:es|ing|ne)? on (?:with|from)|went on (?:with|from)": "resume, continue",
    r"^Inside,": "Context manager that ...",
    r"(?:wr[io]te|writes|written|writing) (?:it |them )?down": "record, log",
    r"what (?:is|was|lies) there": "recorded runs, existing files",
    r"keepers?": "checkpointer",
    r"kept (?:state|checkpoint|tensor|weight)s?": "checkpoint, cached",
    r"(?:run|lock|fingerprint)'s claim|claims? (?:on|to) (?:a|the|its|this|that) (?:run|folder|fingerprint)": "run lock",
    r"foreign (?:image|sample|generator|metric|file|run)s?": "external",
    r"errands?": "job",
    r"what (?:waits|is waiting|was waiting)": "pending writes",
    r"rows? for scale": "reference rows",
    r"how (?:it is|they are|runs are) measured": "evaluation protocol",
    r"not (?:to )?be told apart|not to be told apart": "no significant difference",
    r"(?<!support\s)no claim": "no significant difference",
    r"rounds shown": "discriminator updates per generator update (k)",
    r"likeness(?:es)?": "closest training images",
    r"the authors?(?:'s|s') own": "the publication's",
    r"walls? of (?:images|samples|pictures)|(?:image|sample|picture) walls?": "sample grid",
    r"br(?:eak|eaks|oke|oken|eaking) off": "interrupted, failed",
    r"the (?:told|asked|seen|kept|shown|gone|drawn|held|taken|waiting)(?=[.,;:)]| (?:is|are|was|were|of)\b)": "name the thing",
}

# Identifiers: a whole name, without underscores around it, -> what to write.
NAMES = {
    "asked": "requested", "seen": "features, found", "shown": "quoted, record", "made": "generated, samples", "drawn": "samples",
    "held": "locked, values", "waiting": "pending, queue", "gone": "removed, dead", "taken": "locked, used", "there": "recorded, exists",
    "kept": "cached, checkpoints", "told": "reported, message", "said": "outputs, reason", "counted": "pluralise, counts",
    "wall": "sample_grid", "adopt": "register",
}  # fmt: skip

# Identifiers: a part of a snake_case or CamelCase name -> what to write.
PARTS = {
    "kept": "cached, checkpoint", "keeper": "checkpointer", "told": "reported", "claim": "lock", "claims": "lock", "claimed": "locked",
    "foreign": "external", "errand": "job", "campaign": "scheduler", "likeness": "closest", "anew": "again", "whoever": "process",
    "halves": "half_samples", "somebody": "user", "anybody": "user", "untold": "silent",
}  # fmt: skip

# (files, identifier or words, why it stays): what users type and what old files hold does not change.
ALLOWED = (
    (".ci/check_words.py", "*", "this list itself"),
    ("tests/test_words.py", "*", "it tests the list"),
    ("CHANGELOG.md", "*", "old entries, and the table of moved modules"),
    ("docs/examples/*", "*", "reports as they were recorded"),
    ("bench/perf/whole.py", "wall", "wall-clock time, and a key of `ganbench perf --json`"),
    ("*", "claims", "an attribute of datasets, a user's too, and a tag of runs"),
    ("variants/networks/backbone.py", "seen", "an attribute of Ports, which a user's networks read"),
    ("*bench/metrics/*", "asked", "a word of a card's `needs`, and the attribute of Evidence that goes with it"),
)

Finding = tuple[int, str, str]  # line, word, what to write instead


class _Pattern(NamedTuple):
    regex: re.Pattern[str]
    instead: str
    at_start: bool


def _compiled(pattern: str, instead: str) -> _Pattern:
    body = pattern.removeprefix("^").replace(" ", r"\s+")
    ends = r"(?!\w)" if re.match(r"[\w)]", pattern[-1]) else ""
    return _Pattern(re.compile(rf"(?<![\w`])(?:{body}){ends}", re.IGNORECASE), instead, pattern.startswith("^"))


PATTERNS = [_compiled(pattern, instead) for pattern, instead in PROSE.items()]


def prose(text: str, line: int = 1, *, starts: bool = True) -> Iterator[Finding]:
    """The words of a text that begins at a line; `starts`: its start is that of a docstring."""
    for pattern in PATTERNS:
        for match in pattern.regex.finditer(text):
            if not pattern.at_start or (starts and not text[: match.start()].strip()):
                yield line + text.count("\n", 0, match.start()), " ".join(match.group().split()), pattern.instead


def identifier(name: str, line: int) -> Iterator[Finding]:
    """The words of an identifier. The name of a test is a sentence."""
    bare = name.strip("_")
    if bare.startswith("test_"):
        yield from prose(bare.replace("_", " "), line, starts=False)
    elif bare.lower() in NAMES:
        yield line, bare, NAMES[bare.lower()]
    else:
        parts = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", bare).lower().split("_")
        yield from ((line, bare, PARTS[part]) for part in parts if part in PARTS)


def python(source: str) -> Iterator[Finding]:
    """The words of a module: names where they are bound, strings that hold a space, comments."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from identifier(node.name, node.lineno)
        elif isinstance(node, ast.arg):
            yield from identifier(node.arg, node.lineno)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield from identifier(node.id, node.lineno)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield from identifier(node.attr, node.lineno)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield from prose(node.value, node.lineno)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield from prose(token.string, token.start[0], starts=False)


def markdown(text: str) -> Iterator[Finding]:
    """The words of a page, code left out."""
    plain = re.sub(r"^(```|~~~).*?^\1|`[^`\n]*`", lambda code: "`" + "\n" * code.group().count("\n"), text, flags=re.MULTILINE | re.DOTALL)
    yield from prose(plain, starts=False)


def check(root: Path, path: Path) -> list[str]:
    """The complaints about a file, one line each."""
    name = path.relative_to(root).as_posix()
    text = path.read_text(encoding="utf-8")
    found = [*identifier(path.stem, 1), *python(text)] if path.suffix == ".py" else list(markdown(text))
    return [
        f"{name}:{line}: {word!r}: write {instead!r}"
        for line, word, instead in sorted(set(found))
        if not any(fnmatch.fnmatch(name, files) and fnmatch.fnmatch(word.lower(), allowed) for files, allowed, _ in ALLOWED)
    ]


def files(root: Path, parts: tuple[str, ...]) -> Iterator[Path]:
    """The files that are checked, sorted. Raises SystemExit if a folder or file does not exist."""
    for part in parts:
        path = root / part
        if not path.exists():
            raise SystemExit(f"{part}: not found")
        yield from sorted(found for found in ([path] if path.is_file() else path.rglob("*")) if found.suffix in (".py", ".md"))


def main() -> int:
    """Check this repository, or the files and folders named on the command line."""
    root = Path(__file__).resolve().parents[1]
    complaints = [line for path in files(root, tuple(sys.argv[1:]) or CHECKED) for line in check(root, path)]
    print("\n".join(complaints) or "words: none to replace")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
