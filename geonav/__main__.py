"""``python -m geonav`` is the command ``geonav``."""

from __future__ import annotations

import sys

from geonav.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
