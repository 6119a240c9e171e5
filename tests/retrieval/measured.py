"""Programs that measure an index, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def measured(program: Path, *arguments: str | int | Path) -> dict[str, Any]:
    """What a program of this folder prints as JSON, on two threads; printed again for whoever looks on."""
    done = subprocess.run(
        [sys.executable, str(program), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "2", "PYTHONPATH": str(program.parents[2])},
    )
    report: dict[str, Any] = json.loads(done.stdout)
    sys.stdout.write(f"{json.dumps(report, indent=2)}\n")
    return report
