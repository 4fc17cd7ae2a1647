"""Every example of the XMPP extensions is played by a test that names its number, or it is said here why not.

Scenarios name examples in comments, tests of other kinds in docstrings: "XEP-0030, examples 1, 2 and 5 to 8". In a file
called ``xepNNNN-...`` the number of the XEP may be left out.
"""

from __future__ import annotations

import re
import unittest
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from xmppd.app.docs import ROOT
from xmppd.app.docs_xeps import XEPS

_WORDS = re.compile(r"XEP-(\d{4})|[Ee]xamples? (\d+(?:(?:, and |, | and | to )\d+)*)")
_RANGE = re.compile(r"(\d+)(?: to (\d+))?")
_URIS = "URIs that clients understand"
_CLIENTS = "what clients ask each other"

#: How many examples there are, in the versions that docs/xeps.md names.
EXAMPLES: Mapping[int, int] = {
    12: 13, 13: 14, 30: 28, 45: 220,
    49: 5, 50: 25, 54: 14, 59: 21, 65: 34, 77: 34, 82: 4, 92: 4, 100: 55, 106: 50, 114: 4, 115: 9,
    128: 2, 133: 106, 157: 2, 160: 5, 163: 11, 175: 10, 184: 4, 191: 15, 198: 31, 199: 17, 202: 4, 203: 3, 220: 19,
    237: 5, 249: 4, 280: 15, 288: 5, 297: 4, 307: 5, 313: 29, 317: 22, 352: 4, 355: 37, 356: 16, 359: 6, 386: 4,
    388: 15, 410: 4, 421: 7, 424: 7, 425: 8, 433: 11, 437: 2, 440: 2, 441: 5, 452: 3, 463: 8, 478: 2, 486: 15, 488: 10,
    490: 10, 500: 5, 502: 2,
    124: 35, 206: 12, 156: 2, 215: 9, 353: 12, 363: 13, 482: 6, 487: 1,
    78: 9, 333: 6, 357: 15, 372: 5, 432: 1, 461: 4, 492: 3, 513: 16,
}  # fmt: skip
#: The same of what is clients' affair, and passes through the server.
PASSING: Mapping[int, int] = {47: 11, 166: 39}
#: Extensions whose text has no numbered examples of anything that a server does.
WITHOUT = frozenset({178, 185, 334, 368, 431})
LEFT_OUT: Mapping[int, Mapping[str, str]] = {
    30: {"25 to 28": _URIS},
    45: {
        "34": "who has said something is told by ids of occupants, not by addresses of XEP-0033",
        "51": "no other nickname is given to who asks for one: it is theirs, or it is refused",
        "86": "what clients show",
        "158": "there is always something to configure",
        "207": "who is in a room is in it after a restart as well",
        "208 to 217": _URIS,
    },
    50: {"7": "commands are not announced by messages", "24 and 25": _URIS},
    54: {"4": "another way to say what example 3 says", "13 and 14": _URIS},
    59: {"14": "pages are found by their index, too"},
    65: {
        "13 and 14": "connections between clients, without a server",
        "30 to 34": "there is no UDP mode",
    },
    77: {"29 to 34": _URIS},
    82: {"1": "dates alone are not used", "4": "times alone are not used"},
    100: {"2 and 4": "agent information is obsolete"},
    106: {"16, 17, 23, 24, 30, 31 and 37": _URIS, "38, 39, 44 and 45": "there is no gateway to directories"},
    124: {"24 and 26 to 31": "there is one stream in a session"},
    115: {"8 and 9": "caps optimization is not done"},
    133: {"37 to 44": "no blacklist, no whitelist", "89 to 102": "no welcome message; admins are in the settings"},
    163: {"8": "there are no other servers; example 7 is the same on one"},
    220: {"19": "each domain of theirs gets a connection of its own"},
    280: {"5": "nobody is forbidden to enable them"},
    297: {"3 and 4": "what clients say of themselves"},
    355: {"12 to 15": "namespaces are delegated by the operator only"},
    463: {"5": "somebody owns each room"},
    486: {"5": "all rooms have avatars"},
    488: {"6": _URIS},
    500: {"4 and 5": "what is registered"},
    410: {"3": "rooms answer themselves"},
    333: {"1 and 2": _CLIENTS},
    357: {"1 to 3, 7 and 14": "drawings, of the steps that the other examples are"},
    372: {"1 and 2": _CLIENTS, "4 and 5": "references to data, in channels of MIX, which there are none of"},
    461: {"1 and 2": _CLIENTS},
    513: {"11 to 16": "rooms have no permissions for mentions"},
    388: {
        "6, 8 and 14": "there are no such mechanisms; 5, 7 and 13 are the same with others",
        "11, 12 and 15": "there are no tasks",
    },
}


def numbers(text: str) -> set[int]:
    """Return the numbers in a list as "1, 2 and 5 to 8"."""
    found: set[int] = set()
    for first, last in _RANGE.findall(text):
        found.update(range(int(first), int(last or first) + 1))
    return found


def named(lines: Iterable[str], xep: int | None = None) -> Iterator[tuple[int, int]]:
    """Find (XEP, example) in text.

    :param xep: what is meant where a line names none.
    """
    for line in lines:
        meant = xep
        for match in _WORDS.finditer(line):
            if match[1]:
                meant = int(match[1])
            elif meant is not None:
                yield from ((meant, number) for number in numbers(match[2]))


def in_scenario(path: Path) -> Iterator[tuple[int, int]]:
    """Find what a scenario's comments name."""
    own = re.match(r"xep(\d{4})", path.name)
    comments = (line for line in path.read_text("utf-8").splitlines() if line.startswith("#"))
    return named(comments, int(own[1]) if own else None)


class ExampleTests(unittest.TestCase):
    def setUp(self) -> None:
        self.played: dict[int, set[int]] = {}
        tests = ROOT / "tests"
        for path in sorted((tests / "scenarios").glob("*.txt")):
            self.note(in_scenario(path))
        for path in tests.rglob("test_*.py"):
            if path != Path(__file__).resolve():
                self.note(named(path.read_text("utf-8").splitlines()))

    def note(self, found: Iterable[tuple[int, int]]) -> None:
        for xep, number in found:
            self.played.setdefault(xep, set()).add(number)

    def test_all_are_played(self) -> None:
        wrong = []
        for xep, total in {**EXAMPLES, **PASSING}.items():
            left_out = set[int]().union(*map(numbers, LEFT_OUT.get(xep, {})))
            played = self.played.get(xep, set())
            missing = sorted(set(range(1, total + 1)) - played - left_out)
            wrong += [f"XEP-{xep:04d}, example {number}: not played" for number in missing]
            wrong += [f"XEP-{xep:04d}, example {number}: played after all" for number in sorted(played & left_out)]
            wrong += [f"XEP-{xep:04d}, example {number}: there is none" for number in sorted(played) if number > total]
        self.assertEqual(wrong, [])

    def test_all_extensions_are_looked_at(self) -> None:
        self.assertEqual(EXAMPLES.keys() | WITHOUT, XEPS.keys())


class ReadingTests(unittest.TestCase):
    def test_numbers(self) -> None:
        self.assertEqual(numbers("1, 3 to 5 and 7"), {1, 3, 4, 5, 7})

    def test_named(self) -> None:
        lines = ["# Examples 1 to 3, and XEP-0203, example 1", "Example 4: 5", "there is an example"]
        self.assertEqual(list(named(lines, 160)), [(160, 1), (160, 2), (160, 3), (203, 1), (160, 4)])
        self.assertEqual(list(named(lines)), [(203, 1)])
