"""The command ``geonav``: its groups, the options before the command, and the one place where errors end."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer
import typer.main

from geonav import __version__
from geonav.cli.commands import mount_commands
from geonav.cli.session import Session
from geonav.errors import EXIT_INTERRUPTED, GeonavError

EXIT_UNEXPECTED = 1
EXIT_BROKEN_PIPE = 141  # what a shell reports of a program that SIGPIPE ended

logger = logging.getLogger("geonav.cli")

_EPILOG = (
    "Exit codes: 0 done, 1 unexpected, 2 usage or configuration, 3 input, 4 access, 5 network, 6 part done, "
    "7 no photo located, 8 storage, 130 interrupted."
)


def build_app(arguments: Sequence[str] | None = None) -> typer.Typer:
    """The whole of ``geonav``, or as much of it as ``arguments`` need."""
    app = typer.Typer(
        name="geonav",
        help="Locate photos: a photo goes in, the position of its camera on Earth comes out.",
        epilog=_EPILOG,
        no_args_is_help=True,
        rich_markup_mode=None,
        # Options and commands may be spelt with underscores, as in --query_set; values are left as they are.
        context_settings={
            "help_option_names": ["-h", "--help"],
            "token_normalize_func": lambda token: token.replace("_", "-"),
            "max_content_width": 110,
        },
    )
    app.callback()(root)
    mount_commands(app, arguments)
    return app


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"geonav {__version__}")
        raise typer.Exit


def root(
    context: typer.Context,
    config_path: Annotated[
        Path | None,
        typer.Option(
            "--config",
            envvar="GEONAV_CONFIG",
            metavar="FILE",
            help="configuration [default: geonav.toml of this folder, if any]",
            show_default=False,
        ),
    ] = None,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", help="log what is done; tracebacks [default: off]", show_default=False),
    ] = False,
    quiet: Annotated[
        bool,
        typer.Option("--quiet", "-q", help="no progress, no warnings [default: off]", show_default=False),
    ] = False,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="print the version and exit")
    ] = False,
) -> None:
    """Remember the options that every command shares."""
    context.obj = Session(config_path, verbose, quiet)
    context.obj.start_logging()


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; every error becomes one line on stderr and an exit code, here and nowhere else."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file's name need not be text
    try:
        code = _run(sys.argv[1:] if argv is None else list(argv))
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_stdout()
        return EXIT_BROKEN_PIPE
    except KeyboardInterrupt:
        return _fail("interrupted: run the same command again to go on", EXIT_INTERRUPTED)
    except GeonavError as error:
        return _fail(str(error), error.exit_code)
    except typer.TyperException as error:
        return _usage_error(error)
    except Exception as error:  # noqa: BLE001 - the last place that can keep a traceback from the user
        note = f"unexpected {type(error).__name__}: {error} (geonav --verbose COMMAND shows where)"
        return _fail(note, EXIT_UNEXPECTED)
    return code


def _run(arguments: list[str]) -> int:
    if "_GEONAV_COMPLETE" in os.environ:  # the shell asks for completions
        build_app()(arguments, prog_name="geonav")
    command = typer.main.get_command(build_app(arguments))
    try:
        with command.make_context("geonav", arguments) as context:
            command.invoke(context)
    except typer.Exit as ended:
        return ended.exit_code
    return 0


def _fail(message: str, code: int) -> int:
    logger.debug("what led to it:", exc_info=True)
    line = " ".join(message.split())
    typer.echo(f"error: {line}" if code != EXIT_INTERRUPTED else line, err=True)
    return code


def _usage_error(error: typer.TyperException) -> int:
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError" and context is not None:
        typer.echo(context.get_help(), err=True)
        return error.exit_code
    hint = f" (see '{context.command_path} --help')" if context is not None else ""
    return _fail(f"{error.format_message()}{hint}", error.exit_code)


def _drop_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's own flush at the end says nothing either."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
