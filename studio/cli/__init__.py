"""`python -m gan_core VERB`: all that the app does. Results to stdout, progress to stderr.

Exit codes: 0, 1 for a job that failed, 2 for a call that was wrong.
"""

from __future__ import annotations

import io
import sys

import typer

from gan_core import __version__
from gan_core.errors import UserError, no_utf8, printable, why
from studio.cli import (  # noqa: F401  (they add their verbs)
    compare,
    crop,
    describe,
    explore,
    export,
    hub,
    jobs,
    lineup,
    look,
    measure,
    sources,
    study,
    toy,
    training,
)
from studio.cli.common import app


def main() -> None:
    """Runs the verb named on the command line. An error becomes one line: exit code 1 for a `UserError`, 2 for a bad
    call."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what a terminal cannot show is no reason to fail
            stream.reconfigure(errors="replace")
    try:
        sys.exit(app(standalone_mode=False, prog_name="python -m gan_core") or 0)
    except typer.TyperException as e:
        message = " ".join(e.format_message().removeprefix("Invalid value: ").replace("Value error, ", "").split())
        if message:  # none where the help was printed already, for want of a verb
            print(f"error: {message.rstrip('.')}. See --help.", file=sys.stderr)
        sys.exit(e.exit_code)
    except UserError as e:
        print(f"error: {e}", file=sys.stderr)
        sys.exit(1)
    except UnicodeEncodeError as e:
        print(f"error: {no_utf8(e.object)}", file=sys.stderr)
        sys.exit(1)
    except OSError as e:
        said = f"{printable(str(e.filename))} cannot be read or written: {why(e)}" if e.filename else str(e)
        print(f"error: {said}. Check the path, its permissions and the room on the disk.", file=sys.stderr)
        sys.exit(1)


@app.command()
def version() -> None:
    """Print the version."""
    print(__version__)
