"""Scopes (xmppd.api.scopes)."""

from __future__ import annotations

from unittest import TestCase

from hypothesis import given
from hypothesis import strategies as st

from xmppd.api.operations import Operation, operation, operations_of
from xmppd.api.scopes import check_scope, permits


class _Users:
    @operation("user list", safe=True)
    async def list(self) -> None:
        """List them."""

    @operation("user add")
    async def add(self) -> None:
        """Add one."""

    @operation("users-of room list", safe=True)
    async def other(self) -> None:
        """Begins with another word, though with the same letters."""


_OPERATIONS: dict[str, Operation] = {found.name: found for found in operations_of(_Users())}


class TestPermits(TestCase):
    def test_table(self) -> None:
        everything = set(_OPERATIONS)
        for scopes, allowed in (
            ((), set()),
            (("*",), everything),
            (("read",), {"user list", "users-of room list"}),
            (("user:read",), {"user list"}),
            (("user:*",), {"user list", "user add"}),
            (("user add",), {"user add"}),
            (("user add", "users-of:read"), {"user add", "users-of room list"}),
            (("room:*",), set()),
        ):
            with self.subTest(scopes=scopes):
                self.assertEqual({name for name, each in _OPERATIONS.items() if permits(scopes, each)}, allowed)


class TestCheck(TestCase):
    def test_scopes(self) -> None:
        for text in ("*", "read", "user:read", "push-service:*", "user add", "room archive count"):
            with self.subTest(text):
                self.assertEqual(check_scope(text), text)

    def test_no_scopes(self) -> None:
        for text in (
            "",
            "user",
            "user:write",
            "*:read",
            "User:read",
            "user:",
            ":read",
            "read,write",
            " read",
            "user  add",
        ):
            with self.subTest(text), self.assertRaisesRegex(ValueError, "is no scope"):
                check_scope(text)

    @given(st.text())
    def test_any_text_is_a_scope_or_told_why_not(self, text: str) -> None:
        try:
            self.assertEqual(check_scope(text), text)
        except ValueError as error:
            self.assertIn("is no scope", str(error))
