"""Commands made from declarations, and how results look."""

from __future__ import annotations

import io
import json
import unittest
from contextlib import redirect_stdout
from typing import Any

import click
from click.testing import CliRunner, Result
from rich.console import Console

from xmppd.app.cli.backend import declarations
from xmppd.app.cli.commands import command_tree
from xmppd.app.cli.show import show


def parameter(name: str, kind: str = "str", **more: Any) -> dict[str, Any]:
    return {
        "name": name, "type": kind, "required": False, "default": None, "option": False, "help": f"Help of {name}.",
        "choices": [], "secret": False, **more,
    }  # fmt: skip


def declared(name: str, *parameters: dict[str, Any], hosts: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "name": name, "help": "Do it.", "permission": "admin", "offline": False, "examples": ["a --b c"],
        "hosts": list(hosts), "parameters": list(parameters),
    }  # fmt: skip


class TreeTests(unittest.TestCase):
    def setUp(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def invoke(self, declaration: dict[str, Any], *arguments: str, input: str | None = None) -> Result:
        group = click.Group("xmppctl")
        for command in command_tree([declaration], lambda *call: self.calls.append(call)).values():
            group.add_command(command)
        return CliRunner().invoke(group, arguments, input=input)

    def test_words_are_groups(self) -> None:
        result = self.invoke(
            declared("pubsub node make", parameter("name", required=True)), "pubsub", "node", "make", "x"
        )
        self.assertEqual((result.exit_code, result.output), (0, ""))
        self.assertEqual(self.calls, [("pubsub node make", {"name": "x"}, None, False)])

    def test_arguments_and_options(self) -> None:
        one = declared(
            "do it",
            parameter("jid", "Jid", required=True),
            parameter("count", "int", default=3),
            parameter("how_much", "float", option=True),
            parameter("loud", "bool", option=True, default=False),
            parameter("kind", option=True, choices=["x", "y"], default="x"),
        )
        self.invoke(one, "do", "it", "a@b")
        self.invoke(one, "do", "it", "a@b", "7", "--how-much", "0.5", "--loud", "--kind", "y", "--json")
        self.assertEqual(
            self.calls,
            [
                ("do it", {"jid": "a@b", "count": 3, "loud": False, "kind": "x"}, None, False),
                ("do it", {"jid": "a@b", "count": 7, "how_much": 0.5, "loud": True, "kind": "y"}, None, True),
            ],
        )
        for wrong in (["a@b", "many"], ["a@b", "--kind", "z"], [], ["a@b", "--nothing"]):
            self.assertEqual(self.invoke(one, "do", "it", *wrong).exit_code, 2, wrong)

    def test_host_of_a_plugin(self) -> None:
        self.invoke(declared("note show", hosts=("a.example", "b.example")), "note", "show", "--host", "b.example")
        self.assertEqual(self.calls, [("note show", {}, "b.example", False)])
        own = declared("note show", parameter("host", option=True), hosts=("a.example",))
        self.invoke(own, "note", "show", "--host", "b.example")
        self.assertEqual(self.calls[1], ("note show", {"host": "b.example"}, None, False))
        self.assertEqual(self.invoke(declared("note show"), "note", "show", "--host", "b").exit_code, 2)

    def test_files_are_read(self) -> None:
        one = declared("load", parameter("file", "FileText", required=True, secret=True))
        with CliRunner().isolated_filesystem():
            with open("ä.txt", "w", encoding="utf-8") as file:
                file.write("zwölf\n")
            self.invoke(one, "load", "ä.txt")
            with open("latin", "wb") as binary:
                binary.write(b"\xe4\xf6")
            result = self.invoke(one, "load", "latin")
            self.assertEqual((result.exit_code, result.output), (1, "Error: latin is not a UTF-8 text.\n"))
        self.invoke(one, "load", "-", input="from a pipe")
        self.assertEqual([call[1] for call in self.calls], [{"file": "zwölf\n"}, {"file": "from a pipe"}])

    def test_a_file_that_is_left_out(self) -> None:
        one = declared("load", parameter("csv", "FileText", option=True, secret=True, default=""))
        self.assertEqual(self.invoke(one, "load").output, "")
        self.assertEqual(self.calls, [("load", {}, None, False)])

    def test_secrets_from_standard_input(self) -> None:
        one = declared("do", parameter("password", option=True, secret=True))
        self.invoke(one, "do", "--password", "-", input="two words\nmore\n")
        self.invoke(one, "do", "--password", "typed")
        self.assertEqual([call[1] for call in self.calls], [{"password": "two words"}, {"password": "typed"}])

    def test_a_required_option(self) -> None:
        result = self.invoke(declared("do", parameter("new_password", option=True, secret=True, required=True)), "do")
        self.assertEqual(result.exit_code, 2)
        self.assertIn("--new-password is missing.", result.output)

    def test_help(self) -> None:
        one = declared("do it", parameter("jid", required=True), parameter("password", option=True, secret=True))
        text = self.invoke(one, "do", "it", "--help").output
        for part in (
            "Do it.", "JID  Help of jid.", "xmppctl do it a --b c", "--password TEXT", "'-' reads it from standard",
        ):  # fmt: skip
            self.assertIn(part, text)

    def test_every_operation_of_the_kernel_has_help(self) -> None:
        for declaration in declarations():
            result = self.invoke(declaration, *declaration["name"].split(), "--help")
            self.assertEqual(result.exit_code, 0, declaration["name"])
            self.assertIn("Examples:", result.output)


class ShowTests(unittest.TestCase):
    def shown(self, result: Any, as_json: bool = False) -> str:
        out = io.StringIO()
        with redirect_stdout(out):
            show(result, as_json, None if as_json else Console(file=out, width=70))
        return "\n".join(line.rstrip() for line in out.getvalue().splitlines())

    def test_texts(self) -> None:
        self.assertEqual(self.shown("Done [bold]as said[/bold]."), "Done [bold]as said[/bold].")
        self.assertEqual(self.shown(None), "")

    def test_fields(self) -> None:
        self.assertEqual(
            self.shown({"a": 1, "longer": [1, 2], "none": None, "flag": True, "map": {"x": False}}),
            "a       1\nlonger  1, 2\nnone\nflag    yes\nmap     x = no",
        )

    def test_a_table_inside(self) -> None:
        self.assertEqual(
            self.shown({"a": "b", "rows": [{"x": 1}, {"x": 22}]}),
            "a  b\n\nrows\n x\n 1\n22",
        )

    def test_tables(self) -> None:
        self.assertEqual(
            self.shown([{"name": "a", "count": 5, "on": True}, {"name": "bb", "count": 10, "on": False}]),
            "name  count  on\na         5  yes\nbb       10  no",
        )
        self.assertEqual(self.shown([]), "None.")

    def test_json(self) -> None:
        results: tuple[Any, ...] = ("ä", {"a": [1, None]}, [], None)
        for result in results:
            self.assertEqual(json.loads(self.shown(result, as_json=True)), result)
        self.assertIn("ä", self.shown("ä", as_json=True))
