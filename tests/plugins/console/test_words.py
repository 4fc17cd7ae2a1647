"""Every text is there in every language, with the same things to fill in."""

from __future__ import annotations

import re
import unittest
from collections.abc import Iterator
from pathlib import Path

from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po

from xmppd.plugins.console import languages
from xmppd.plugins.console.languages import LANGUAGES, Words, chosen

FOLDER = Path(languages.__file__).parent
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "marked": None}
#: Things that are filled in, or stand for a percent sign.
FILLED = re.compile(r"%\(\w+\)[sd]|%%")
Text = str | tuple[str, ...]


def texts() -> Iterator[tuple[str, Text]]:
    """Yield where a text is, and the text: all that are to be translated."""
    for path in sorted([*FOLDER.rglob("*.py"), *(FOLDER / "templates").rglob("*.html")]):
        method = "python" if path.suffix == ".py" else "jinja2.ext:babel_extract"
        for line, text, _, _ in extract_from_file(method, str(path), keywords=KEYWORDS):
            yield f"{path.relative_to(FOLDER)}:{line}", text


class Translations(unittest.TestCase):
    def test_complete(self) -> None:
        """If this fails: add what is missing to a ``*.po`` in ``plugins/console/locale``."""
        for language in LANGUAGES:
            if language == "en":
                continue  # the texts are English
            words = languages.read(language)
            missing = []
            for place, text in texts():
                many = isinstance(text, tuple)
                found = words.ngettext(text[0], text[1], 2) if many else words.gettext(str(text))
                if found in text if many else found == text and re.search("[a-z]{3}", found):
                    missing.append(f"{place}: {text!r}")
            self.assertEqual(missing, [], f"not in {language}")

    def test_files(self) -> None:
        """The files hold what is asked for, and nothing else; what is filled in is the same; nothing is a guess."""
        wanted = {text for _, text in texts()}
        for path in sorted((FOLDER / "locale").rglob("*.po")):
            with path.open("rb") as file:
                catalog = read_po(file, abort_invalid=True)
            for message in catalog:
                if not message.id:
                    continue
                self.assertIn(message.id, wanted, f"{path.name}: nobody says that")
                self.assertFalse(message.fuzzy, f"{path.name}: {message.id}")
                ids = [message.id] if isinstance(message.id, str) else list(message.id)
                strings = [str(message.string)] if isinstance(message.string, str) else list(message.string or ())
                named = {name for text in ids for name in FILLED.findall(text)}
                for string in strings:
                    self.assertLessEqual(set(FILLED.findall(string)), named, f"{path.name}: {message.id}")
                    self.assertLessEqual(named - {"%(num)s"}, set(FILLED.findall(string)), message.id)

    def test_something_is_looked_at(self) -> None:
        found = {text for _, text in texts()}
        self.assertLessEqual({"Dashboard", "Log in", "Operator", ("%(num)s account", "%(num)s accounts")}, found)


class Choice(unittest.TestCase):
    def test_chosen(self) -> None:
        for accepted, preferred, expected in (
            ("", "", "en"),
            ("de", "", "en"),
            ("zh-CN,zh;q=0.9,en;q=0.8", "", "zh_Hans"),
            ("en-GB,zh;q=0.9", "", "en"),
            ("de, zh;q=0.2, en;q=0.1", "", "zh_Hans"),
            ("zh;q=0, en", "", "en"),
            ("zh", "en", "en"),
            ("en", "zh_Hans", "zh_Hans"),
            ("en", "../../etc", "en"),
            ("zh;q=high,;;,", "", "en"),
            (",".join(["x"] * 50) + ",zh", "", "en"),
        ):
            self.assertEqual(chosen(accepted, preferred), expected, (accepted, preferred))

    def test_what_is_not_translated_is_english(self) -> None:
        words = Words("zh_Hans")
        self.assertEqual(words.gettext("Dashboard"), "Dashboard")
        self.assertEqual([words.ngettext("one", "many", number) for number in (0, 1, 2)], ["many", "one", "many"])
        self.assertEqual(words.tag, "zh-Hans")
