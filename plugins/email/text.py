"""The text of a mail as a chat message: HTML made readable, what is quoted at the end and signatures left out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import unescape

__all__ = ["html_to_text", "without_quotes"]

_HIDDEN = frozenset({"head", "script", "style", "title", "template", "noscript"})
_BLOCKS = frozenset({
    "address", "article", "aside", "blockquote", "center", "div", "dl", "dt", "dd", "fieldset", "footer", "form", "h1",
    "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre", "section", "table", "td", "tr",
    "ul",
})  # fmt: skip
_MANY_LINES = re.compile(r"\n{3,}")
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]{0,20})(?=[\s/>])")
_CLOSING = re.compile(rf"</(?:{'|'.join(sorted(_HIDDEN))})\b", re.IGNORECASE)
_HREF = re.compile(r"""\bhref\s*=\s*("[^"]*"|'[^']*'|[^\s"'>]+)""", re.IGNORECASE)
_HUGE = re.compile(r"&#\d{8,};?")  # no character has such a number, and Python refuses to read longer ones
_SPACE = re.compile(r"[ \t\r\n\f\u00a0]+")
#: Lines after which only what was quoted comes.
_ORIGINAL = re.compile(
    r"-{2,} ?(?:Original Message|Urspr\w*ngliche Nachricht|Message d'origine|Mensaje original|Forwarded message)"
    r" ?-{2,}\Z",
    re.IGNORECASE,
)
_RULER = re.compile(r"_{10,}\Z")
_OUTLOOK = re.compile(r"(?:From|Von|De|Da|Van|Fra): \S")
_MAX_HTML = 200_000  # characters that are looked at
_MAX_TAG = 2_000  # of a tag
_MAX_QUOTED = 5  # levels of quotations that are shown
_ATTRIBUTION_LINES = 3  # that an attribution ("On Monday Romeo wrote:") may be wrapped to
_ATTRIBUTION = 400  # characters it has at most


class _Reader:
    """Collects text, in one pass whatever it is given. What isn't HTML is text, so nothing is an error."""

    def __init__(self) -> None:
        self.out: list[str] = []
        self._quoted = 0
        self._link: tuple[str, int] | None = None

    def read(self, html: str) -> None:
        """Read all of it."""
        at, end = 0, len(html)
        while at < end:
            start = html.find("<", at)
            if start < 0:
                start = end
            self._text(html[at:start])
            at = self._markup(html, start) if start < end else end

    def _markup(self, html: str, start: int) -> int:
        """Take what begins with ``<``; return where it ends."""
        if html.startswith("<!--", start):
            return _behind(html, "-->", start)
        if html[start + 1 : start + 2] in ("!", "?"):
            return _behind(html, ">", start)
        match = _TAG.match(html, start)
        if match is None:
            self._text("<")
            return start + 1
        end = _behind(html, ">", start)
        name = match[2].lower()
        if match[1]:
            self._close(name)
        elif name in _HIDDEN:
            closed = _CLOSING.search(html, end)  # all of them: what is hidden may not even be closed in order
            return len(html) if closed is None else _behind(html, ">", closed.start())
        else:
            self._open(name, html[match.end() : min(end, match.end() + _MAX_TAG)])
        return end

    def _open(self, name: str, attributes: str) -> None:
        if name == "br":
            self._line()
        elif name in _BLOCKS:
            self._line(fresh=True)
            if name == "blockquote":
                self._quoted += 1
            elif name == "li":
                self.out.append("* ")
        elif name == "a":
            match = _HREF.search(attributes)
            target = _HUGE.sub("\ufffd", match[1].strip("\"'")) if match else ""
            self._link = (unescape(target), len(self.out))

    def _close(self, name: str) -> None:
        if name in _BLOCKS:
            if name == "blockquote":
                self._quoted = max(0, self._quoted - 1)
            self._line(fresh=True)
            if name == "p":
                self.out.append("\n")
        elif name == "a" and self._link is not None:
            (target, since), self._link = self._link, None
            shown = "".join(self.out[since:]).strip()
            if target.startswith(("http://", "https://")) and target != shown:
                self.out.append(f" <{target}>" if shown else target)

    def _text(self, data: str) -> None:
        text = _SPACE.sub(" ", unescape(_HUGE.sub("\ufffd", data)))
        if not self.out or self.out[-1].endswith("\n"):
            text = text.lstrip(" ")
            if text and self._quoted:
                self.out.append("> " * min(self._quoted, _MAX_QUOTED))
        if text:
            self.out.append(text)

    def _line(self, fresh: bool = False) -> None:
        """Begin a new line; a `fresh` one only if something is on this one."""
        if not fresh or (self.out and not self.out[-1].endswith("\n")):
            self.out.append("\n")


def _behind(text: str, mark: str, start: int) -> int:
    """Return the place behind the next mark; the end, if there is none."""
    found = text.find(mark, start)
    return len(text) if found < 0 else found + len(mark)


def html_to_text(html: str) -> str:
    """Return what somebody reads who reads that HTML."""
    reader = _Reader()
    reader.read(html[:_MAX_HTML])
    lines = (line.rstrip() for line in "".join(reader.out).split("\n"))
    return _MANY_LINES.sub("\n\n", "\n".join(lines)).strip()


def without_quotes(text: str) -> str:
    """Leave out the signature, and what is quoted after the last line that is not.

    What is quoted between answers stays: without it they can't be understood. If nothing is left, all stays.
    """
    lines = [line.rstrip() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    kept = _before_original(lines)
    end = len(kept)
    while end and (not kept[end - 1] or kept[end - 1].startswith(">")):
        end -= 1
    if any(line.startswith(">") for line in kept[end:]):
        end = _before_attribution(kept, end)
    trimmed = "\n".join(kept[:end]).strip()
    return trimmed or "\n".join(lines).strip()


def _before_original(lines: list[str]) -> list[str]:
    """Cut at a signature (RFC 3676 section 4.3) or the header of what is quoted unmarked."""
    for number, line in enumerate(lines):
        if line == "--" or _ORIGINAL.match(line) or (_RULER.match(line) and _is_header(lines[number + 1 : number + 4])):
            return lines[:number]
    return lines


def _is_header(lines: Sequence[str]) -> bool:
    return _OUTLOOK.match(next(filter(None, lines), "")) is not None


def _before_attribution(lines: Sequence[str], end: int) -> int:
    """Leave out the line, perhaps wrapped, that says who wrote what is quoted: it ends with a colon."""
    if not end or not lines[end - 1].endswith(":"):
        return end
    start = end - 1
    while start > 0 and lines[start - 1] and end - start < _ATTRIBUTION_LINES:
        start -= 1
    if start and lines[start - 1]:  # it belongs to a longer paragraph: that is somebody's own text
        start = end - 1
    said = " ".join(lines[start:end])
    return start if len(said) <= _ATTRIBUTION and _names_somebody(said) else end


def _names_somebody(line: str) -> bool:
    """Does it look as mail programs write it: with a date, a time or an address?"""
    return "@" in line or re.search(r"\d{1,2}[:.h]\d\d|\d{4}", line) is not None
