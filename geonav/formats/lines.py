"""Text files of one record a line, with errors that name file and line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from geonav.errors import InputError


def numbered_lines(path: Path, what: str) -> Iterator[tuple[int, str]]:
    """Number (from 1) and text of every line that is neither empty nor a ``#`` comment.

    Args:
        path: the file; a byte order mark is skipped.
        what: what the file should be, for messages.

    Raises:
        InputError: missing, unreadable or not text.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        msg = f"{what} {path} cannot be read: {error.strerror or error}"
        raise InputError(msg) from error
    except UnicodeDecodeError as error:
        msg = f"{what} {path} is not UTF-8 text: export it again"
        raise InputError(msg) from error
    # Not splitlines(): a name may hold what Unicode, but no tool, takes for the end of a line.
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            yield number, stripped


def broken(path: Path, line: int, reason: str) -> InputError:
    """The error for a line that is not what it should be; ``reason`` says what to do."""
    return InputError(f"{path}, line {line}: {reason}")
