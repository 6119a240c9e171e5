"""Show the references that look like a photo, as a list and as a page of pictures.

python examples/search_a_photo.py photo.jpg --database castle --page hits.html
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import geonav
from geonav.errors import GeonavError
from geonav.pipeline.search_page import write_search_page


def main() -> None:
    """Search once, then look at the hits in two ways."""
    parser = argparse.ArgumentParser(description="Show the references that look like a photo.")
    parser.add_argument("photo", type=Path)
    parser.add_argument("--database", type=Path, required=True)
    parser.add_argument("--rerank", default="none", help="none, gnn, k-reciprocal, qe, dba or inliers")
    parser.add_argument("--page", type=Path, help="HTML file to write")
    options = parser.parse_args()

    config = geonav.load_config(overrides={"search": {"rerank": options.rerank}})
    result = geonav.search(options.photo, options.database, config, k=10)
    if not result.hits:
        print(f"{options.photo}: nothing found, {result.reason}")
        return
    for rank, hit in enumerate(result.hits, start=1):
        place = "position not known" if hit.lat is None else f"{hit.lat:.6f} {hit.lng:.6f}"
        print(f"{rank:2d}. {hit.uid}: score {hit.score:.4f}, {place}")
    if options.page:
        database = geonav.Database.open(options.database)
        write_search_page(options.page, [result], database, config.search.recall_within_m)


if __name__ == "__main__":
    try:
        main()
    except GeonavError as error:
        sys.exit(f"error: {error}")
