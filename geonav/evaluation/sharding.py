"""Runs of which each of several processes locates a share: folders of their own, taken together by a run of all."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from geonav.data.files import storage_errors
from geonav.data.shards import Shard, share
from geonav.errors import UsageError
from geonav.evaluation.locating import MATCHES_FOLDER, Line
from geonav.evaluation.query_set import Query
from geonav.evaluation.record import RunInfo
from geonav.evaluation.resume import difference, other_queries
from geonav.evaluation.run_folder import Run, read_info, read_run
from geonav.pipeline.view_matches import view_matches_path

_PREFIX = "shard-"


def part_of(queries: Sequence[Query], folder: Path, shard: Shard | None) -> tuple[list[Query], Path]:
    """The queries of a share and the folder that they go to; all of them and the run's own where there is none."""
    if shard is None:
        return list(queries), folder
    return share(shard, queries, lambda query: query.name), folder / f"{_PREFIX}{shard.label}"


def shard_folders(folder: Path) -> list[Path]:
    """The folders of shares inside that of a run."""
    return sorted(path for path in folder.glob(f"{_PREFIX}*-of-*") if path.is_dir())


def taken_over(folder: Path, info: RunInfo, queries: Sequence[Query]) -> Mapping[str, Callable[[], Line]]:
    """What shares located of these queries, by name; a call gives the lines and brings the matches along.

    Raises:
        UsageError: a share is of another experiment.
        DatabaseError: a share's files are broken.
    """
    wanted = {query.name: query for query in queries}
    found: dict[str, Callable[[], Line]] = {}
    for path in shard_folders(folder):
        there = read_info(path)
        if there is None:
            continue
        run = read_run(path)
        its = [wanted[record.name] for record in run.records if record.name in wanted]
        lines = [each for each in zip(run.records, run.results, strict=True) if each[0].name in wanted]
        same = Run(path, there, tuple(record for record, _ in lines), tuple(result for _, result in lines))
        problem = difference(there, info) or other_queries(same, its)
        if problem:
            msg = f"{path} holds a share of another experiment ({problem}): remove it, or choose another --exp-name"
            raise UsageError(msg)
        for line in lines:
            found[line[0].name] = partial(_brought, path, folder, line)
    return found


def _brought(source: Path, target: Path, line: Line) -> Line:
    name = line[0].name
    matches = view_matches_path(source, name)
    if matches.exists():
        with storage_errors(target):
            (target / MATCHES_FOLDER).mkdir(exist_ok=True)
            shutil.copyfile(matches, view_matches_path(target, name))
    return line
