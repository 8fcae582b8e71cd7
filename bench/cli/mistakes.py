"""A user's mistakes in one line: unknown verbs and options, missing and bad values, as click reports them, and a store or disk that fails.

typer carries a click of its own, or uses the installed one, by its version. What both have in common is taken here: the base class of
`typer.BadParameter`, the names of its other classes and their attributes.
"""

from __future__ import annotations

import errno
import re
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from bench.core.errors import UserError, nearest, one_line
from bench.core.source_hash import PACKAGES

# click's UsageError, through the only one of its kind that typer exports.
USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]
LONGEST = 1000  # characters of a line; of a longer one the start and the end are shown
# What a system refuses: nothing in the program is wrong.
REFUSED = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EMFILE, errno.ENAMETOOLONG, errno.ENOTDIR}


class Verbs(TyperGroup):
    """A group of verbs that answers an unknown one with the nearest."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The verb that the first word names; a UserError for one that is not there."""
        word = args[0]
        if (word == "-" or not word.startswith("-")) and self.get_command(ctx, word) is None:
            group = " ".join(ctx.command_path.split()[1:])
            known = [f"{group} {name}".strip() for name in self.list_commands(ctx)]
            wanted = f"{group} {word}".strip()
            raise UserError(f"there is no verb {wanted!r}" + nearest(wanted, known, most=1))
        return super().resolve_command(ctx, args)


def status_of(returned: object) -> int:
    """The exit status of a command line that came back: what `typer.Exit` said, which click returns, else 0."""
    return returned if isinstance(returned, int) else 0


def is_help(error: Exception) -> bool:
    """Whether this is the help that click has already shown, because no word was given."""
    return type(error).__name__ == "NoArgsIsHelpError"


def mistake(error: Exception) -> str | None:
    """The line for an exception that is no bug of ours; None for one that may be."""
    if isinstance(error, USAGE_ERROR):
        return _usage(error)
    if isinstance(error, UserError):
        return flat(str(error))
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] not in PACKAGES:
        return f"the Python package {error.name!r} is missing: make setup"
    if isinstance(error, FileNotFoundError) and not error.filename:  # what os.getcwd() raises
        return "the working folder is not there any more: cd to another"
    if isinstance(error, OSError) and error.errno in REFUSED:
        where = f": {error.filename!r}" if error.filename else ""
        return flat(f"the system refuses: {error.strerror}{where}")
    return _of_the_store(error)


def flat(text: str) -> str:
    """A message in one line that any terminal can show: line breaks become spaces, and what cannot be printed its escape."""
    shown = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in " ".join(text.split()))
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST // 2]} ... {shown[-LONGEST // 4 :]}"


def _of_the_store(error: Exception) -> str | None:
    """The line for what a tracking store raised in the midst of a verb."""
    if "mlflow" not in sys.modules:
        return None
    from bench.tracking.store import error_line

    return error_line(error)


def _usage(error: Exception) -> str:
    kind = type(error).__name__
    ctx = getattr(error, "ctx", None)
    if kind == "NoSuchOption":
        return flat(_no_option(str(getattr(error, "option_name", "")), ctx))
    param = getattr(error, "param", None)
    see = f"; see `{ctx.command_path} --help`" if ctx is not None else ""
    if kind == "MissingParameter" and param is not None:
        return flat(f"{_named(param)} is missing{see}")
    if param is not None:
        return flat(f"{_named(param)}: {_reason(error)}")
    text = re.sub(r"^(Error: )?(\w)", lambda match: match[2].lower(), one_line(_text(error), most=LONGEST)).rstrip(".")
    return flat(text + see)


def _no_option(name: str, ctx: Any) -> str:
    """An unknown option, with the nearest; one of a verb's that stands before the verb is told its place."""
    line = f"there is no option {name!r}"
    if ctx is None:
        return line
    verbs = getattr(ctx.command, "commands", None)
    if verbs and any(name in _options(command, ctx) for command in verbs.values()):
        return f"{line} of {ctx.command_path}: options stand after the verb, as in `{ctx.command_path} VERB {name}`"
    return line + nearest(name, _options(ctx.command, ctx), most=1)


def _options(command: Any, ctx: Any) -> list[str]:
    return [option for param in command.get_params(ctx) for option in (*param.opts, *param.secondary_opts) if option.startswith("-")]


def _named(param: Any) -> str:
    """A parameter as the user writes it: --seed, or VARIANT."""
    options = [option for option in param.opts if option.startswith("-")]
    return max(options, key=len) if options else str(param.name).upper()


def _reason(error: Exception) -> str:
    """What is wrong with a value, and the value, which pydantic keeps to itself."""
    text = str(getattr(error, "message", "")) or _text(error)
    problems = getattr(error.__cause__, "errors", None)
    value = problems()[0].get("input") if callable(problems) else None
    return text.rstrip(".") + (f", not {one_line(repr(value), most=80)}" if value is not None else "")


def _text(error: Exception) -> str:
    shown = getattr(error, "format_message", None)
    return str(shown() if shown else error)
