"""Going on with a run that was interrupted, and not with one that is another experiment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from geonav.data.files import storage_errors
from geonav.errors import UsageError
from geonav.evaluation.query_set import Query, truth_of
from geonav.evaluation.record import RunInfo
from geonav.evaluation.run_folder import Run, read_info, read_run, write_info, write_run
from geonav.geometry.geodesy import GeoPoint, LocalFrame

# What two runs may differ in and still be the same experiment.
_INCIDENTAL = {"started_at", "command", "machine", "git", "peak_memory_bytes", "reference_set", "query_set", "notes"}


def check_is_run(folder: Path) -> None:
    """See to it, before anything is computed, that a folder may be written to.

    Raises:
        UsageError: it holds something else.
    """
    if read_info(folder) is not None or not folder.exists():
        return
    with storage_errors(folder):
        if any(not item.name.startswith("shard-") for item in folder.iterdir()):
            msg = f"{folder} is no run folder and not empty: choose another --exp-name or --output"
            raise UsageError(msg)


def resumed(folder: Path, info: RunInfo, queries: Sequence[Query]) -> int:
    """How many queries the folder holds already; lines that were cut off are removed.

    Raises:
        UsageError: what it holds is another experiment.
    """
    old = read_info(folder)
    if old is None:
        write_info(folder, info)
        return 0
    run = read_run(folder)
    problem = difference(old, info) or other_queries(run, queries)
    if problem:
        msg = (
            f"{folder} holds another experiment ({problem}): choose another --exp-name or --output, or remove the"
            " folder"
        )
        raise UsageError(msg)
    write_run(run)
    return len(run.records)


def other_queries(run: Run, queries: Sequence[Query]) -> str | None:
    """The first thing, in words, by which a run is not of these queries, as far as it got; None if it is."""
    if len(run.records) > len(queries):
        return f"{len(run.records)} queries there, {len(queries)} now"
    frame = LocalFrame(GeoPoint(*run.info.origin))
    for record, query in zip(run.records, queries, strict=False):
        if record.name != query.name or record.is_distractor != query.is_distractor:
            return f"query {record.name} there, {query.name} now"
        if record.sha256 != query.sha256():
            return f"the photo {query.photo} was changed since"
        told = record.truth, record.groups, record.captured_at, record.sequence
        if (record.camera, record.mask) != (query.camera_text, query.mask_path):
            return f"the camera or the mask of {query.name} was changed since"
        if told != (truth_of(query, frame, run.info.alt_datum), query.groups, query.captured_at, query.sequence):
            return f"what is said of {query.name} was changed since"
    return None


def difference(old: RunInfo, new: RunInfo) -> str | None:
    """The first thing that makes two runs different experiments, in words."""
    before, after = (_flat(info.model_dump(mode="json", exclude=_INCIDENTAL)) for info in (old, new))
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            return f"{name}: {before.get(name)} there, {after.get(name)} now"
    return None


def _flat(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, item in value.items():
        found |= _flat(item, f"{prefix}{name}.") if isinstance(item, dict) else {f"{prefix}{name}": item}
    return found
