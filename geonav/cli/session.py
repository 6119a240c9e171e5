"""What the options before the command say, and what commands make of them."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from geonav.errors import UsageError

if TYPE_CHECKING:
    from geonav.config import GeonavConfig
    from geonav.data.database import Database


@dataclass(frozen=True)
class Session:
    """One call of the program.

    Attributes:
        config_path: the file of ``--config``; ``geonav.toml`` of the working folder if None.
        verbose: log what is done, and give a traceback with every error.
        quiet: neither progress nor warnings.
    """

    config_path: Path | None = None
    verbose: bool = False
    quiet: bool = False

    @classmethod
    def of(cls, context: typer.Context) -> Session:
        """The session that the root command put into ``context``."""
        return context.obj if isinstance(context.obj, cls) else cls()

    def start_logging(self) -> None:
        """Send the package's log to stderr; other packages' warnings only when verbose."""
        level = logging.DEBUG if self.verbose else logging.ERROR if self.quiet else logging.WARNING
        logger = logging.getLogger("geonav")
        logger.handlers = [_LateHandler(show_time=self.verbose)]
        logger.setLevel(level)
        if not self.verbose and not sys.warnoptions:
            warnings.simplefilter("ignore")

    def config(self, overrides: Mapping[str, Any]) -> GeonavConfig:
        """The effective configuration; ``overrides`` are the command's options, None where not given."""
        from geonav.config import load_config

        return load_config(self.config_path, overrides)


class _LateHandler(logging.Handler):
    """Writes to stderr by rich, which takes a tenth of a second to start and most commands have nothing for."""

    def __init__(self, *, show_time: bool) -> None:
        super().__init__()
        self._show_time = show_time

    @cached_property
    def _handler(self) -> logging.Handler:
        from rich.console import Console
        from rich.logging import RichHandler

        handler = RichHandler(console=Console(stderr=True), show_path=False, show_time=self._show_time)
        handler.setFormatter(logging.Formatter("%(message)s"))
        return handler

    def emit(self, record: logging.LogRecord) -> None:
        """Hand it on."""
        self._handler.emit(record)


def database_path(config: GeonavConfig) -> Path:
    """The database's folder.

    Raises:
        UsageError: none was named.
    """
    if config.database is None:
        msg = "no database named: give --database DIR, set GEONAV_DATABASE, or put database = 'DIR' into geonav.toml"
        raise UsageError(msg)
    return config.database


def open_database(config: GeonavConfig) -> Database:
    """Open the database that ``config`` names.

    Raises:
        UsageError: none was named.
        DatabaseError: there is none, or it is broken.
    """
    from geonav.data.database import Database

    return Database.open(database_path(config))
