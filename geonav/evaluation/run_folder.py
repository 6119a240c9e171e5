"""The folder of a run: what was asked and found, a line a query, and what is computed from it.

    <run>/
    |- run.json         RunInfo: what is needed to repeat the run
    |- queries.jsonl    a QueryRecord a line
    |- results.jsonl    a LocalizationResult a line, in the same order
    |- matches/         the matches of each query with its references
    `- scores.jsonl scores.csv summary.json poses.txt results.geojson results.kml report.html
                        computed from the above, and made anew whenever the run is scored

Lines are appended as queries are done; a query counts when both its lines are whole, so a run that was killed goes on
after the last one.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from geonav.data.files import atomic_write_bytes, atomic_write_json, storage_errors
from geonav.data.results import LocalizationResult
from geonav.errors import DatabaseError
from geonav.evaluation.record import NUM_HITS, RUN_VERSION, QueryRecord, QueryScore, RunInfo
from geonav.settings.search import SearchConfig
from geonav.settings.stages import LocalizeConfig

RUN_FILE = "run.json"
QUERIES_FILE = "queries.jsonl"
RESULTS_FILE = "results.jsonl"
SUMMARY_FILE = "summary.json"
Line = TypeVar("Line", bound=BaseModel)


@dataclass(frozen=True)
class Run:
    """A run as it was recorded.

    Attributes:
        folder: where it lies.
        info: how it was made.
        records: what was asked and retrieved, in the order of the queries.
        results: what was found, in the same order.
    """

    folder: Path
    info: RunInfo
    records: tuple[QueryRecord, ...]
    results: tuple[LocalizationResult, ...]

    @property
    def recall_within_m(self) -> float:
        """How near to the truth a reference is a right one, as the run was told."""
        return float(self._setting("search", "recall_within_m", SearchConfig().recall_within_m))

    @property
    def min_inliers(self) -> int:
        """Agreeing keypoints below which the run believed no pose."""
        return int(self._setting("localize", "min_inliers", LocalizeConfig().min_inliers))

    @property
    def depth(self) -> int:
        """Hits that were asked for of every query: recall among more is not defined."""
        return min((record.num_asked for record in self.records), default=NUM_HITS)

    def _setting(self, section: str, name: str, default: float) -> float:
        found = self.info.config.get(section)
        value = found.get(name, default) if isinstance(found, dict) else default
        return value if isinstance(value, int | float) else default


def read_run(folder: Path | str) -> Run:
    """Read a run, also one that is not finished: its finished queries.

    Raises:
        DatabaseError: there is none, it is broken, or of another version.
    """
    path = Path(folder)
    info = read_info(path)
    if info is None:
        msg = f"{path} holds no run: there is no {RUN_FILE} in it; name a folder that 'geonav evaluate' wrote"
        raise DatabaseError(msg)
    records, results = (_lines(path / QUERIES_FILE, QueryRecord), _lines(path / RESULTS_FILE, LocalizationResult))
    done = min(len(records), len(results))
    return Run(path, info, tuple(records[:done]), tuple(results[:done]))


def read_info(folder: Path) -> RunInfo | None:
    """``run.json`` of a run; None where there is none.

    Raises:
        DatabaseError: it is broken, or of another version.
    """
    path = folder / RUN_FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        version = data.get("version") if isinstance(data, dict) else None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, RecursionError) as error:
        msg = f"{path} cannot be read ({error}): run the experiment again under another name"
        raise DatabaseError(msg) from error
    if version != RUN_VERSION:
        msg = (
            f"{path} is of version {version} and this geonav reads version {RUN_VERSION}: "
            "score it with the geonav that made it, or run the experiment again"
        )
        raise DatabaseError(msg)
    try:
        return RunInfo.model_validate(data)
    except ValidationError as error:
        problem = error.errors()[0]
        what = f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
        msg = f"{path} is no record of a run ({what}): run the experiment again under another name"
        raise DatabaseError(msg) from error


def write_info(folder: Path, info: RunInfo) -> None:
    """Write ``run.json``, the folder made if there is none.

    Raises:
        StorageError: the disk does not take it.
    """
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    atomic_write_json(folder / RUN_FILE, info.model_dump(mode="json"))


def append(folder: Path, record: QueryRecord, result: LocalizationResult) -> None:
    """Add a finished query.

    Raises:
        StorageError: the disk does not take it.
    """
    for name, line in ((QUERIES_FILE, record), (RESULTS_FILE, result)):
        path = folder / name
        with storage_errors(path), path.open("ab") as file:
            file.write(f"{line.model_dump_json()}\n".encode())


def write_run(run: Run) -> None:
    """Write the records of a run whole, in place of what its folder holds of them.

    Raises:
        StorageError: the disk does not take them.
    """
    write_info(run.folder, run.info)
    for name, lines in ((QUERIES_FILE, run.records), (RESULTS_FILE, run.results)):
        atomic_write_bytes(run.folder / name, _jsonl(lines))


def write_scores(folder: Path, scores: Sequence[QueryScore], summary: dict[str, Any]) -> None:
    """Write ``scores.jsonl``, the same as ``scores.csv`` with a column a group, and ``summary.json``.

    Raises:
        StorageError: the disk does not take them.
    """
    atomic_write_bytes(folder / "scores.jsonl", _jsonl(scores))
    atomic_write_bytes(folder / "scores.csv", _csv(scores).encode())
    atomic_write_json(folder / SUMMARY_FILE, summary)


def _jsonl(lines: Sequence[BaseModel]) -> bytes:
    return "".join(f"{line.model_dump_json()}\n" for line in lines).encode()


def _csv(scores: Sequence[QueryScore]) -> str:
    fields = [name for name in QueryScore.model_fields if name != "groups"]
    groups = sorted({name for score in scores for name in score.groups})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*fields, *(f"group_{name}" for name in groups)])
    for score in scores:
        values = [getattr(score, name) for name in fields]
        writer.writerow([*(_cell(value) for value in values), *(score.groups.get(name, "") for name in groups)])
    return text.getvalue()


def _cell(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else "" if value is None else value


def _lines(path: Path, kind: type[Line]) -> list[Line]:
    """Whole lines of a file; a last line that was cut off is left out."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror or error}"
        raise DatabaseError(msg) from error
    found = []
    for number, line in enumerate(text[: text.rfind(b"\n") + 1].splitlines(), start=1):
        try:
            found.append(kind.model_validate_json(line))
        except ValidationError as error:
            msg = f"{path} line {number} is broken ({error.errors()[0]['msg']}): run the experiment again"
            raise DatabaseError(msg) from error
    return found
