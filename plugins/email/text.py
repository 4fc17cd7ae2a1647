"""The text of a mail as a chat message: HTML made readable, what is quoted at the end and signatures left out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html.parser import HTMLParser

__all__ = ["html_to_text", "without_quotes"]

_HIDDEN = frozenset({"head", "script", "style", "title", "template", "noscript"})
_BLOCKS = frozenset({
    "address", "article", "aside", "blockquote", "center", "div", "dl", "dt", "dd", "fieldset", "footer", "form", "h1",
    "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre", "section", "table", "td", "tr",
    "ul",
})  # fmt: skip
_MANY_LINES = re.compile(r"\n{3,}")
_SPACE = re.compile(r"[ \t\r\n\f\u00a0]+")
#: Lines after which only what was quoted comes.
_ORIGINAL = re.compile(
    r"-{2,} ?(?:Original Message|Urspr\w*ngliche Nachricht|Message d'origine|Mensaje original|Forwarded message)"
    r" ?-{2,}\Z",
    re.IGNORECASE,
)
_RULER = re.compile(r"_{10,}\Z")
_OUTLOOK = re.compile(r"(?:From|Von|De|Da|Van|Fra): \S")
_ATTRIBUTION_LINES = 3  # that an attribution ("On Monday Romeo wrote:") may be wrapped to
_ATTRIBUTION = 400  # characters it has at most


class _Reader(HTMLParser):
    """Collects text. Whatever isn't HTML is text, so nothing is an error."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.out: list[str] = []
        self._hidden = 0
        self._quoted = 0
        self._links: list[tuple[str, int]] = []

    def handle_starttag(self, name: str, attributes: Sequence[tuple[str, str | None]]) -> None:
        if name in _HIDDEN:
            self._hidden += 1
        elif name == "br":
            self._line()
        elif name in _BLOCKS:
            self._line(fresh=True)
            if name == "blockquote":
                self._quoted += 1
                self._line(fresh=True)
            elif name == "li":
                self.out.append("* ")
        elif name == "a":
            self._links.append((dict(attributes).get("href") or "", len(self.out)))

    def handle_endtag(self, name: str) -> None:
        if name in _HIDDEN:
            self._hidden = max(0, self._hidden - 1)
        elif name in _BLOCKS:
            if name == "blockquote":
                self._quoted = max(0, self._quoted - 1)
            self._line(fresh=True)
            if name == "p":
                self.out.append("\n")
        elif name == "a" and self._links:
            target, since = self._links.pop()
            shown = "".join(self.out[since:]).strip()
            if target.startswith(("http://", "https://")) and target != shown:
                self.out.append(f" <{target}>" if shown else target)

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            text = _SPACE.sub(" ", data)
            if not self.out or self.out[-1].endswith(("\n", "> ")):
                text = text.lstrip(" ")
                if text and self._quoted and not (self.out and self.out[-1].endswith("> ")):
                    self.out.append("> " * self._quoted)
            if text:
                self.out.append(text)

    def _line(self, fresh: bool = False) -> None:
        """Begin a new line; a `fresh` one only if something is on this one."""
        if not fresh or (self.out and not self.out[-1].endswith("\n")):
            self.out.append("\n")


def html_to_text(html: str) -> str:
    """Return what somebody reads who reads that HTML."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
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
        following = next((other for other in lines[number + 1 :] if other), "")
        if line == "--" or _ORIGINAL.match(line) or (_RULER.match(line) and _OUTLOOK.match(following)):
            return lines[:number]
    return lines


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
