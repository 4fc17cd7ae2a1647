"""Results on a terminal: texts, fields, tables, or JSON; and how far something is."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

__all__ = ["progress_bar", "show"]

_PIPE_WIDTH = 10_000  # columns; lines for another program are not broken


def show(result: Any, as_json: bool, console: Console | None = None) -> None:
    """Print an operation's result: a str as it is, a dict as fields, a list of dicts as a table."""
    if as_json:
        print(json.dumps(result, ensure_ascii=False, indent=2))
        return
    console = console or _console()
    if result is None:
        return
    if isinstance(result, Mapping):
        _fields(result, console)
    elif isinstance(result, Sequence) and not isinstance(result, str):
        console.print(_table(result) if result else Text("None.", style="dim"))
    else:
        console.print(Text(str(result)))


def _console() -> Console:
    return Console() if sys.stdout.isatty() else Console(width=_PIPE_WIDTH)


def _fields(result: Mapping[str, Any], console: Console) -> None:
    """One line a field; tables that are inside come below."""
    grid = Table(box=None, show_header=False, pad_edge=False)
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    inner: list[tuple[str, Sequence[Any]]] = []
    for name, value in result.items():
        if isinstance(value, Sequence) and value and isinstance(value[0], Mapping):
            inner.append((name, value))
        else:
            grid.add_row(name, _cell(value))
    console.print(grid)
    for name, rows in inner:
        console.print()
        console.print(Text(name, style="bold"))
        console.print(_table(rows))


def _table(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    names = list(dict.fromkeys(name for row in rows for name in row))
    for name in names:
        number = all(isinstance(row.get(name), int | float) and not isinstance(row.get(name), bool) for row in rows)
        table.add_column(name, justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row.get(name)) for name in names))
    return table


def _cell(value: Any) -> Text:
    if value is None or value == "":
        return Text("")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    if isinstance(value, Mapping):
        return Text(", ".join(f"{name} = {_cell(inner)}" for name, inner in value.items()))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return Text(", ".join(str(_cell(inner)) for inner in value))
    return Text(str(value))


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Give a function that shows on standard error how far something is, if that is a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda done, total: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task: Any = None

        def told(done: int, total: int) -> None:
            nonlocal task
            if task is None:
                task = bar.add_task(what, total=total)
            bar.update(task, completed=done, total=total)

        yield told
