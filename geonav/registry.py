"""Names that stand for classes, which are imported only when asked for."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from importlib import import_module
from pathlib import PurePath
from typing import Any

from geonav.errors import UsageError


class Registry:
    """Maps a name to ``"module:attribute"``; the module is imported by :meth:`load` alone.

    String targets keep torch, faiss and pycolmap out of ``geonav --help`` and of configuration checks.
    """

    def __init__(self, kind: str, targets: Mapping[str, str], with_argument: Collection[str] = ()) -> None:
        """Remember ``targets``; ``kind`` names what they are in error messages.

        Those in ``with_argument`` are asked for as ``name:argument``, the argument being a path or the like.
        """
        self.kind = kind
        self._targets = dict(targets)
        self._with_argument = frozenset(with_argument)

    def names(self) -> list[str]:
        """All registered names, sorted."""
        return sorted(self._targets)

    def split(self, name: str) -> tuple[str, str]:
        """``name:argument`` in its two parts; the argument is empty where the name takes none.

        Raises:
            UsageError: the name is unknown, or has an argument too few or too many.
        """
        base, colon, argument = name.partition(":")
        if base not in self._targets:
            near = get_close_matches(base, self._targets, n=1)
            hint = f"did you mean '{near[0]}'? " if near else ""
            msg = f"unknown {self.kind} '{name}': {hint}choose one of {', '.join(map(self._shown, self.names()))}"
            raise UsageError(msg)
        if base in self._with_argument and not argument:
            msg = f"{self.kind} '{name}' lacks its file: write {self._shown(base)}"
            raise UsageError(msg)
        if colon and base not in self._with_argument:
            msg = f"{self.kind} '{base}' takes nothing behind a colon: leave ':{argument}' out"
            raise UsageError(msg)
        return base, argument

    def check(self, name: str) -> str:
        """Return ``name`` if it is registered.

        Raises:
            UsageError: the name is unknown; the message gives the nearest one and all choices.
        """
        self.split(name)
        return name

    def stem(self, name: str) -> str:
        """``name`` as part of a file's name: ``onnx:/models/my net.onnx`` becomes ``onnx-my-net``.

        Raises:
            UsageError: the name is unknown.
        """
        base, argument = self.split(name)
        return f"{base}-{re.sub(r'[^0-9A-Za-z_.-]+', '-', PurePath(argument).stem)}" if argument else base

    def _shown(self, base: str) -> str:
        return f"{base}:PATH" if base in self._with_argument else base

    def load(self, name: str) -> Any:  # noqa: ANN401 - the caller knows the protocol behind the kind
        """Import and return the class behind ``name``.

        Raises:
            UsageError: the name is unknown.
        """
        module, _, attribute = self._targets[self.split(name)[0]].partition(":")
        return getattr(import_module(module), attribute)
