"""Progress of long runs, on stderr so that stdout stays data."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from geonav.cli.session import Session
from geonav.data.progress import OnProgress, ProgressEvent


@contextmanager
def progress_bars(session: Session, *, is_on: bool = True) -> Iterator[OnProgress | None]:
    """One bar a stage; None, and so nothing drawn, when quiet or where stderr is no terminal."""
    if not is_on or session.quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        """Items a second."""

        def render(self, task: Task) -> Text:
            return Text(
                "" if task.speed is None else f"{task.speed:.2g}/s" if task.speed < 10 else f"{task.speed:.0f}/s"
            )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[item]}"),
    )
    # Results leave on stdout while the bars turn: rich would send them to stderr with the bars.
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as bars:
        tasks = {}

        def show(event: ProgressEvent) -> None:
            if event.stage not in tasks:
                tasks[event.stage] = bars.add_task(event.stage, item="")
            bars.update(tasks[event.stage], completed=event.done, total=event.total, item=event.item)

        yield show
