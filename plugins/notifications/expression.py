"""Whom a notification is for: expressions such as ``tag:news and not (platform:ios or seen>30d)``, and their trees.

This module is pure: it knows what can be said, and nothing of who there is. `parse` and `write` are inverse.

    expression = conjunction *("or" conjunction)
    conjunction = factor *("and" factor)
    factor = "not" factor / "(" expression ")" / term
    term = "all" / "online" / "csv" / NAME ":" value / NAME ("<" / "<=" / ">" / ">=" / "=") value

A value is a run of characters without spaces, quotes and parentheses, or stands in double quotes, in which ``\\`` goes
before a quote and before itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from xmppd.plugins.notifications.values import AGES, check_age, check_name, check_percent, check_version
from xmppd.wire.jid import Jid, JidError

__all__ = ["And", "Expression", "ExpressionError", "Not", "Or", "Term", "parse", "terms", "write"]

_DEPTH = 50
_TOKEN = re.compile(r'\s*(?:([()])|"((?:[^"\\]|\\.)*)"|([^\s()"]+))', re.S)
_COMPARED = re.compile(r"([a-z]+)(<=|>=|<|>|=)(.*)", re.S)
_BARE = re.compile(r"[^\s()\"\\=][^\s()\"\\]*")


class ExpressionError(ValueError):
    """It is no expression. The text says what is wrong, and `position` at which character, counted from 0."""

    def __init__(self, text: str, position: int) -> None:
        super().__init__(f"{text} (at character {position + 1})")
        self.position = position


@dataclass(frozen=True, slots=True)
class Term:
    """Something that is true of a device, or of whose it is.

    :ivar kind: such as ``tag``.
    :ivar value: what it is about, checked; "" for those without.
    :ivar operator: ``:``, a comparison, or "" for those without a value.
    """

    kind: str
    value: str = ""
    operator: str = ""
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Not:
    """The contrary."""

    inner: Expression


@dataclass(frozen=True, slots=True)
class And:
    """All of these, two at least."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of these, two at least."""

    parts: tuple[Expression, ...]


Expression = Term | Not | And | Or


def _user(text: str) -> str:
    try:
        jid = Jid.parse(text)
    except JidError as error:
        raise ValueError(str(error)) from None
    if not jid.local or not jid.is_bare:
        raise ValueError(f"{text!r} is not the address of an account or a room, such as romeo@example.org")
    return str(jid)


#: Terms that stand alone.
_ALONE = ("all", "online", "csv")
#: What comes behind the colon, by kind.
_NAMED: dict[str, Callable[[str], str]] = {
    "user": _user, "room": _user, "alias": check_name, "tag": check_name, "group": check_name, "segment": check_name,
    "platform": check_name, "app": check_name, "locale": check_name, "percent": check_percent,
}  # fmt: skip
#: What is compared, by kind.
_MEASURED: dict[str, Callable[[str], str]] = {"version": check_version, **dict.fromkeys(AGES, check_age)}
_OPERATORS = {"version": ("<", "<=", ">", ">=", "=")}


def parse(text: str) -> Expression:
    """Return the tree of an expression.

    :raises ExpressionError: it is none.
    """
    parser = _Parser(text)
    found = parser.disjunction(0)
    if parser.token is not None:
        raise ExpressionError(f"'and' or 'or' is expected, not {parser.token.text!r}", parser.token.position)
    return found


def write(expression: Expression) -> str:
    """Return the text of an expression."""
    match expression:
        case Term(kind, value, operator):
            return f"{kind}{operator}{_written(value)}" if operator else kind
        case Not(inner):
            return f"not {_inside(inner, (And, Or))}"
        case And(parts):
            return " and ".join(_inside(part, (And, Or)) for part in parts)
        case Or(parts):
            return " or ".join(_inside(part, (Or,)) for part in parts)


def terms(expression: Expression) -> Iterator[Term]:
    """Return all terms of an expression."""
    match expression:
        case Term():
            yield expression
        case Not(inner):
            yield from terms(inner)
        case And(parts) | Or(parts):
            for part in parts:
                yield from terms(part)


def _inside(expression: Expression, within: tuple[type, ...]) -> str:
    text = write(expression)
    return f"({text})" if isinstance(expression, within) else text


def _written(value: str) -> str:
    if _BARE.fullmatch(value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


@dataclass(frozen=True, slots=True)
class _Token:
    """`text` is a parenthesis or a word, `quoted` what stands in quotes behind the word, if anything does."""

    text: str
    quoted: str | None
    position: int


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._end = 0
        self.token: _Token | None = None
        self._next()

    def _next(self) -> None:
        match = _TOKEN.match(self._text, self._end)
        if match is None:
            rest = self._text[self._end :]
            if rest.strip():
                raise ExpressionError("a quote is not closed", len(self._text) - len(rest.lstrip()))
            self.token = None
            return
        start, self._end = match.end() - len(match[0].lstrip()), match.end()
        if match[2] is not None:
            raise ExpressionError('a quoted text stands behind a colon or a comparison, as in tag:"a b"', start)
        quoted = None
        if match[3] and match[3][-1] in ":<>=" and self._text[self._end : self._end + 1] == '"':
            value = _TOKEN.match(self._text, self._end)
            if value is None:
                raise ExpressionError("a quote is not closed", self._end)
            quoted, self._end = re.sub(r"\\(.)", r"\1", value[2], flags=re.S), value.end()
        self.token = _Token(match[1] or match[3], quoted, start)

    def disjunction(self, depth: int) -> Expression:
        parts = [self._conjunction(depth)]
        while self._took("or"):
            parts.append(self._conjunction(depth))
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _conjunction(self, depth: int) -> Expression:
        parts = [self._factor(depth)]
        while self._took("and"):
            parts.append(self._factor(depth))
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _took(self, word: str) -> bool:
        if self.token is not None and self.token.quoted is None and self.token.text == word:
            self._next()
            return True
        return False

    def _factor(self, depth: int) -> Expression:
        token = self.token
        if token is None:
            raise ExpressionError("something is missing at the end", len(self._text))
        if depth > _DEPTH:
            raise ExpressionError("there are too many parentheses in each other", token.position)
        if self._took("not"):
            return Not(self._factor(depth + 1))
        if self._took("("):
            inner = self.disjunction(depth + 1)
            if not self._took(")"):
                raise ExpressionError("a parenthesis is not closed", token.position)
            return inner
        if token.text in (")", "and", "or"):
            raise ExpressionError(f"something is missing before {token.text!r}", token.position)
        self._next()
        return _term(token)


def _term(token: _Token) -> Term:
    word = token.text
    if token.quoted is None and word in _ALONE:
        return Term(word, position=token.position)
    compared = _COMPARED.fullmatch(word)
    kind, operator, value = compared.groups() if compared else word.partition(":")
    allowed = _OPERATORS.get(kind, ("<", ">")) if kind in _MEASURED else (":",)
    check = _MEASURED.get(kind) or _NAMED.get(kind)
    if check is None:
        raise ExpressionError(f"{word!r} is unknown; there are {', '.join((*_ALONE, *_NAMED, *_MEASURED))}",
                              token.position)  # fmt: skip
    if operator not in allowed:
        raise ExpressionError(f"{kind!r} is followed by {' or '.join(allowed)}", token.position)
    try:
        return Term(kind, check(value if token.quoted is None else token.quoted), operator, token.position)
    except ValueError as error:
        raise ExpressionError(f"{kind}: {error}", token.position) from None
