"""docs/operations.md and the alerts that come with it: Prometheus would take them, and the figures in them exist."""

from __future__ import annotations

import json
import re
import unittest
from typing import Any

import yaml

from tests.markdown import ROOT, Page
from tests.net.figures.test_metrics import EVERYTHING
from tests.net.figures.test_plugins import OF_PLUGINS

PAGE = Page(ROOT / "docs/operations.md")
RULES = ROOT / "contrib/xmppd.rules.yml"
#: Of prometheus-client's ProcessCollector.
PROCESS = {
    "process_cpu_seconds_total", "process_max_fds", "process_open_fds", "process_resident_memory_bytes",
}  # fmt: skip


def figures_in(text: str) -> set[str]:
    """Return the names of figures in a text; those of a histogram's parts stand for it."""
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"\b(?:xmppd|process)_[a-z0-9_]+\b", text)}


class PageTests(unittest.TestCase):
    def test_every_figure_is_there(self) -> None:
        self.assertEqual(figures_in(PAGE.path.read_text("utf-8")), EVERYTHING | OF_PLUGINS | PROCESS)

    def test_its_files(self) -> None:
        (scrape,) = (yaml.safe_load(block.text) for block in PAGE.blocks("yaml"))
        self.assertEqual([job["job_name"] for job in scrape["scrape_configs"]], ["xmppd"])
        self.assertIn(RULES.name, scrape["rule_files"][0])
        for block in PAGE.blocks("json"):
            self.assertEqual(set(json.loads(block.text)), {"ready", "problems"})

    def test_every_alert_is_explained(self) -> None:
        alerts = {rule["alert"] for rule in rules()}
        self.assertEqual({code for code in PAGE.code() if re.fullmatch(r"Xmppd[A-Z]\w+", code)}, alerts)


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


class RuleTests(unittest.TestCase):
    def test_form(self) -> None:
        for rule in rules():
            with self.subTest(rule=rule["alert"]):
                self.assertLessEqual(set(rule), {"alert", "expr", "for", "labels", "annotations"})
                self.assertRegex(rule.get("for", "1m"), r"\A\d+[smh]\Z")
                self.assertIn(rule["labels"]["severity"], ("page", "ticket"))
                self.assertEqual(set(rule["annotations"]), {"summary", "action"})
                for left, right in ("()", "[]", "{}"):
                    self.assertEqual(rule["expr"].count(left), rule["expr"].count(right))
                for text in rule["annotations"].values():
                    self.assertEqual(re.findall(r"{{|}}", text), ["{{", "}}"] * text.count("{{"))

    def test_figures_exist(self) -> None:
        for rule in rules():
            found = figures_in(rule["expr"])
            self.assertLessEqual(found, EVERYTHING | OF_PLUGINS | PROCESS, rule["alert"])
            self.assertTrue(found or rule["expr"].startswith("up"), rule["alert"])

    def test_names_are_unique(self) -> None:
        names = [rule["alert"] for rule in rules()]
        self.assertEqual(len(names), len(set(names)))
