"""The languages of the console: texts from ``locale`` (gettext), and which language somebody is shown."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from babel.core import Locale
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

__all__ = ["LANGUAGES", "Words", "chosen", "read"]

#: By the name that the folder has: what its speakers call it.
LANGUAGES = {"en": "English", "zh_Hans": "简体中文"}
_FOLDER = Path(__file__).parent / "locale"


class Words:
    """The texts of one language; what is not translated is shown in English.

    :ivar locale: how numbers and times are written.
    :ivar tag: as in HTML (BCP 47).
    """

    def __init__(self, language: str, catalogs: Iterable[Catalog] = ()) -> None:
        self.language = language
        self.locale = Locale.parse(language)
        self.tag = language.replace("_", "-")
        self._catalogs = tuple(catalogs)

    def gettext(self, text: str) -> str:
        """Return a text in this language."""
        for catalog in self._catalogs:
            message = catalog.get(text)
            if message is not None and message.string and not message.fuzzy:
                return str(message.string)
        return text

    def ngettext(self, one: str, many: str, number: int) -> str:
        """Return a text about a number of something."""
        for catalog in self._catalogs:
            message = catalog.get((one, many))
            forms = () if message is None or message.fuzzy or not message.string else tuple(message.string)
            if forms and all(forms):
                return str(forms[min(_form(catalog, number), len(forms) - 1)])
        return one if number == 1 else many


def _form(catalog: Catalog, number: int) -> int:
    """Which of the forms a number takes; English and Chinese have two and one."""
    return 0 if catalog.num_plurals == 1 or number == 1 else 1


def read(language: str) -> Words:
    """Return the texts of a language. It reads from the disk."""
    catalogs = []
    for path in sorted((_FOLDER / language / "LC_MESSAGES").glob("*.po")):
        with path.open("rb") as file:
            catalogs.append(read_po(file, locale=language))
    return Words(language, catalogs)


def chosen(accepted: str, preferred: str = "") -> str:
    """Return the language for somebody.

    :param accepted: what their browser says (Accept-Language, RFC 9110 section 12.5.4).
    :param preferred: what they have chosen, or "".
    """
    if preferred in LANGUAGES:
        return preferred
    for tag in _by_weight(accepted):
        primary = tag.partition("-")[0]
        found = next((name for name in LANGUAGES if name.partition("_")[0] == primary), None)
        if found:
            return found
    return "en"


def _by_weight(accepted: str) -> list[str]:
    weighed = []
    for number, item in enumerate(accepted.split(",")[:20]):
        tag, _, weight = item.strip().lower().partition(";")
        try:
            quality = float(weight.strip().removeprefix("q=")) if weight else 1.0
        except ValueError:
            continue
        if tag and quality > 0:
            weighed.append((-quality, number, tag))
    return [tag for _, _, tag in sorted(weighed)]
