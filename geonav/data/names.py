"""Names that become names of files and folders."""

from __future__ import annotations

import re

from geonav.errors import DatabaseError


def checked_name(name: str) -> str:
    """The name of a model or descriptor.

    Raises:
        DatabaseError: it cannot be part of a file name.
    """
    if not re.fullmatch(r"\w[\w.-]*", name):
        msg = f"'{name}' cannot be part of a file name: use letters, digits, '_', '-' and '.'"
        raise DatabaseError(msg)
    return name


def checked_uid(uid: str) -> str:
    """The name of an entry.

    Raises:
        DatabaseError: it cannot be the name of a folder.
    """
    if not re.fullmatch(r"(?!\.)[^/\\\x00-\x1f]{1,200}", uid):
        msg = f"'{uid}' cannot name an entry: it must be a plain folder name that does not begin with a dot"
        raise DatabaseError(msg)
    return uid
