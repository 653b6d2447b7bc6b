"""What stands in a Graphite target: a path, or a call of a function with paths, calls, numbers and texts."""

import re
from dataclasses import dataclass, field

from services.bridge.refusal import unreadable

_MOST_CHARACTERS = 65536
_MOST_DEPTH = 50

_BLANK = re.compile(r"\s*")
_CALL = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\s*\(")
_KEYWORD = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\s*=\s*")
# No possessive repeats, which Python gets wrong before 3.11.5 where groups are in them. Without them, too, what follows
# a repeat here can begin with none of its characters, so that no text takes longer than its length.
_END = r"(?=\s*(?:[,)]|\Z))"
_NUMBER = re.compile(rf"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?{_END}")
_WORD = re.compile(rf"(true|false|none|null){_END}", re.IGNORECASE)
_TEXT = re.compile(r"'[^'\\]*(?:\\.[^'\\]*)*'|\"[^\"\\]*(?:\\.[^\"\\]*)*\"", re.DOTALL)
_PATH = re.compile(r"(?:[^\s,(){}'\"]+|\{[^{}()'\"]*(?:\{[^{}()'\"]*\}[^{}()'\"]*)*\})+")
_WORDS = {"true": True, "false": False, "none": None, "null": None}


@dataclass(frozen=True)
class Path:
    """A path of the tree, perhaps with globs."""

    text: str


@dataclass(frozen=True)
class Invocation:
    """A call of a function: its arguments by place, and by name."""

    function: str
    arguments: tuple["Expression", ...] = ()
    named: dict[str, "Expression"] = field(default_factory=dict)


Expression = Path | Invocation | float | str | bool | None
"""A text is a quoted one."""


def parse(text: str) -> Expression:
    """Read a target.

    Raises
    ------
    Refused
        The text is no expression; the sentence says from where on.
    """
    if len(text) > _MOST_CHARACTERS:
        raise unreadable(f"the target has {len(text)} characters; {_MOST_CHARACTERS} are read")
    parsed, end = _expression(text, _after_blank(text, 0), 0)
    if end < len(text):
        raise _unclear(text, end, "ends before")
    return parsed


def _expression(text: str, at: int, depth: int) -> tuple[Expression, int]:
    """The expression that begins at `at`, and the position behind it and its blanks."""
    parsed: Expression
    if call := _CALL.match(text, at):
        return _invocation(text, call, depth)
    if number := _NUMBER.match(text, at):
        parsed, end = float(number[0]), number.end()
    elif word := _WORD.match(text, at):
        parsed, end = _WORDS[word[0].lower()], word.end()
    elif quoted := _TEXT.match(text, at):
        mark = quoted[0][0]
        parsed, end = quoted[0][1:-1].replace(f"\\{mark}", mark), quoted.end()
    elif path := _PATH.match(text, at):
        parsed, end = Path(path[0]), path.end()
    else:
        raise _unclear(text, at, "holds no path, call, number or text at")
    return parsed, _after_blank(text, end)


def _invocation(text: str, call: re.Match[str], depth: int) -> tuple[Invocation, int]:
    if depth >= _MOST_DEPTH:
        raise unreadable(f"the target has more than {_MOST_DEPTH} calls in one another; simplify it")
    arguments: list[Expression] = []
    named: dict[str, Expression] = {}
    at = _after_blank(text, call.end())
    while not text.startswith(")", at):
        if arguments or named:
            if not text.startswith(",", at):
                raise _unclear(text, at, "lacks a comma or a closing bracket at")
            at = _after_blank(text, at + 1)
        keyword = _KEYWORD.match(text, at)
        argument, at = _expression(text, keyword.end() if keyword else at, depth + 1)
        if keyword:
            named[keyword[1]] = argument
        else:
            arguments.append(argument)
    return Invocation(call[1], tuple(arguments), named), _after_blank(text, at + 1)


def _after_blank(text: str, at: int) -> int:
    blank = _BLANK.match(text, at)
    return blank.end() if blank else at


def _unclear(text: str, at: int, what: str) -> Exception:
    where = repr(text[at : at + 40]) if at < len(text) else "its end"
    return unreadable(f"the target {text[:80]!r} {what} {where}; write a path such as weather.*, or function(path, ..)")
