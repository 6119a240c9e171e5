"""A process that fetches a place through the program with its clock stopped, and may kill itself on the way."""

from __future__ import annotations

import os
import signal
import sys
import threading
from datetime import UTC, datetime

from geonav.cli.app import main
from geonav.data import manifest

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def run(kill_after_s: float, arguments: list[str]) -> int:
    """Exit code of the one command that does everything; the environment leads it to the twin."""
    manifest.clock = lambda: NOON
    if kill_after_s:
        timer = threading.Timer(kill_after_s, lambda: os.kill(os.getpid(), signal.SIGKILL))
        timer.daemon = True
        timer.start()
    return main(["fetch", "panoramas", "--spacing", "10", "--n-directions", "4", "--yes", *arguments])


if __name__ == "__main__":
    sys.exit(run(float(sys.argv[1]), sys.argv[2:]))
