"""Pages of documentation as the tests of documents see them: blocks of code, links, anchors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Block:
    """A fenced block of code. Behind the language there may be the name of a file that the block is.

    :ivar line: where it begins, for messages.
    """

    page: Page
    language: str
    file: str
    text: str
    line: int

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Page:
    """One Markdown file."""

    path: Path

    def __str__(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def tokens(self) -> list[Token]:
        """What the parser makes of it."""
        return _parsed(self.path)

    def blocks(self, *languages: str) -> Iterator[Block]:
        """Yield its blocks of code in these languages, or all."""
        for token in self.tokens:
            if token.type == "fence":
                language, _, file = token.info.strip().partition(" ")
                if not languages or language in languages:
                    line = token.map[0] + 1 if token.map else 0
                    yield Block(self, language, file, token.content, line)

    def files(self) -> dict[str, str]:
        """Return the files that its blocks are, by name; a later block replaces an earlier one."""
        return {block.file: block.text for block in self.blocks() if block.file}

    def links(self) -> Iterator[str]:
        """Yield the targets of its links."""
        for inline in self.tokens:
            for token in inline.children or ():
                if token.type == "link_open":
                    yield str(token.attrGet("href"))

    def code(self) -> Iterator[str]:
        """Yield what is written as code within its text."""
        for inline in self.tokens:
            yield from (token.content for token in inline.children or () if token.type == "code_inline")

    def named(self) -> Iterator[tuple[Path, str]]:
        """Yield (source file, name) where a link to a source file is followed by names in it, as code."""
        for inline in self.tokens:
            source: Path | None = None
            for token in inline.children or ():
                if token.type == "link_open":
                    source = None
                    target = (self.path.parent / str(token.attrGet("href"))).resolve()
                elif token.type == "link_close":
                    source = target if target.suffix == ".py" else None
                elif token.type == "code_inline" and source is not None:
                    yield source, token.content
                elif token.type == "text" and token.content.strip(" ,"):
                    source = None

    def anchors(self) -> set[str]:
        """Return the anchors of its headings, as GitHub makes them."""
        headings = (t for before, t in zip(self.tokens, self.tokens[1:], strict=False) if before.type == "heading_open")
        return {re.sub(r"[^\w\- ]", "", heading.content.lower()).replace(" ", "-") for heading in headings}


@cache
def _parsed(path: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(path.read_text("utf-8"))


def pages() -> list[Page]:
    """Return all pages of documentation."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [Page(path) for path in found]
