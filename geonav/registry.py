"""Names that stand for classes, which are imported only when asked for."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from geonav.errors import UsageError


class Registry:
    """Maps a name to ``"module:attribute"``; the module is imported by :meth:`load` alone.

    String targets keep torch, faiss and pycolmap out of ``geonav --help`` and of configuration checks.
    """

    def __init__(self, kind: str, targets: Mapping[str, str]) -> None:
        """Remember ``targets``; ``kind`` names what they are in error messages."""
        self.kind = kind
        self._targets = dict(targets)

    def names(self) -> list[str]:
        """All registered names, sorted."""
        return sorted(self._targets)

    def check(self, name: str) -> str:
        """Return ``name`` if it is registered.

        Raises:
            UsageError: the name is unknown; the message gives the nearest one and all choices.
        """
        if name not in self._targets:
            near = get_close_matches(name, self._targets, n=1)
            hint = f"did you mean '{near[0]}'? " if near else ""
            msg = f"unknown {self.kind} '{name}': {hint}choose one of {', '.join(self.names())}"
            raise UsageError(msg)
        return name

    def load(self, name: str) -> Any:  # noqa: ANN401 - the caller knows the protocol behind the kind
        """Import and return the class behind ``name``.

        Raises:
            UsageError: the name is unknown.
        """
        module, _, attribute = self._targets[self.check(name)].partition(":")
        return getattr(import_module(module), attribute)
