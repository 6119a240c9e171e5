"""Locate photos whose poses are known and say how far off the answers are.

python examples/evaluate_queries.py castle-queries --references castle
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import geonav
from geonav.errors import GeonavError


def main() -> None:
    """Both are databases; the references are indexed."""
    parser = argparse.ArgumentParser(
        description="Locate photos whose poses are known and say how far off the answers are."
    )
    parser.add_argument("queries", type=Path, help="database whose poses are the truth")
    parser.add_argument("--references", type=Path, required=True, help="indexed database to locate against")
    options = parser.parse_args()

    references = geonav.Database.open(options.references)
    report = geonav.evaluate(options.queries, references, geonav.load_config())
    for photo in report.photos:
        if photo.position_error_m is None or photo.rotation_error_deg is None:
            print(f"{photo.name}: {photo.status}, {photo.reason}")
        else:
            print(f"{photo.name}: off by {photo.position_error_m:.3f} m and {photo.rotation_error_deg:.3f} degrees")
    print(f"{report.summary['num_located']} of {report.summary['num_queries']} located")


if __name__ == "__main__":
    try:
        main()
    except GeonavError as error:
        sys.exit(f"error: {error}")
