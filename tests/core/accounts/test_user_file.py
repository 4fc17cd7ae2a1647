"""Files of accounts."""

from __future__ import annotations

import unittest

from xmppd.api.operations import OperationError
from xmppd.core.accounts.user_file import read_users

HOSTS = ("example.org", "example.net")


class ReadTests(unittest.TestCase):
    def read(self, text: str) -> list[tuple[str, str]]:
        return [(str(jid), password) for jid, password in read_users(text, HOSTS)]

    def test_words(self) -> None:
        self.assertEqual(
            self.read("romeo@example.org montague\njuliet@example.net\tcapulet house, Verona\n"),
            [("romeo@example.org", "montague"), ("juliet@example.net", "capulet house, Verona")],
        )

    def test_csv(self) -> None:
        for text in (
            'romeo@example.org,"a ""b"", c"',
            '"romeo@example.org","a ""b"", c"',
            'romeo@example.org ; "a ""b"", c"',
            'jid,password\nromeo@example.org,"a ""b"", c"',
            '\ufeffusername;pw\r\nromeo@example.org,"a ""b"", c"\r\n',
        ):
            self.assertEqual(self.read(text), [("romeo@example.org", 'a "b", c')], text)

    def test_comments_and_empty_lines(self) -> None:
        self.assertEqual(self.read("# ours\n\n  romeo@example.org  x  \n"), [("romeo@example.org", "x")])

    def test_names_are_normalized(self) -> None:
        self.assertEqual(self.read("Romeo@EXAMPLE.org x"), [("romeo@example.org", "x")])

    def test_what_is_wrong_is_told_with_its_line(self) -> None:
        for text, reason in (
            ("romeo@example.org", "line 1: this is not of the form user@domain password"),
            ("\nromeo secret", "line 2: this is not of the form user@domain password"),
            ("romeo@example.com x", "line 1: example.com is not served here; the hosts are example.org, example.net"),
            ("romeo@example.org/orchard x", "line 1: romeo@example.org/orchard is not of the form user@domain"),
            ("romeo@example.org x\nROMEO@example.org y", "line 2: romeo@example.org is there twice"),
            ("romeo@example.org,a,b", "line 1: more than two fields; a password with a ',' needs quotes"),
            ('romeo@example.org,"a" b', "line 1: this is not CSV: "),
            ("ro:meo@example.org x", "line 1: ro:meo@example.org: "),
            ("# nobody\n", "the file names no account"),
        ):
            with self.assertRaises(OperationError) as caught:
                self.read(text)
            self.assertTrue(str(caught.exception).startswith(reason), (text, str(caught.exception)))

    def test_an_error_never_shows_a_password(self) -> None:
        for text in ("romeo secret", "romeo@example.com secret", 'romeo@example.org,"secret" b'):
            with self.assertRaises(OperationError) as caught:
                self.read(text)
            self.assertNotIn("secret", str(caught.exception))
