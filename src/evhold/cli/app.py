"""The command line. Everything heavy is imported by the command that needs it, so that ``--help`` is quick."""

import sys

import typer
from typer._click.exceptions import ClickException, NoArgsIsHelpError

from evhold.cli import provisioning, rest, servers, webhooks
from evhold.cli.terminal import BAD_INPUT, make_app, say

app = make_app("The reservation service for EV charging (OCPP 2.0.1 block H).")


def run(arguments: list[str]) -> int:
    """Run one command; return the exit code. Errors are one line on stderr."""
    try:
        return int(app(arguments, prog_name="evhold", standalone_mode=False) or 0)
    except NoArgsIsHelpError as error:
        error.show()
        return BAD_INPUT
    except ClickException as error:
        print(f"evhold: {error.format_message()}", file=sys.stderr)
        return error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        return 130


def version() -> None:
    """Which evhold this is."""
    from importlib.metadata import version as version_of

    say(version_of("evhold"))


app.command()(servers.serve)
app.command()(servers.demo)
app.command()(servers.simulate)
app.command()(servers.migrate)
app.add_typer(provisioning.station, name="station")
app.add_typer(provisioning.token, name="token")
app.add_typer(provisioning.key, name="key")
app.add_typer(webhooks.webhook, name="webhook")
app.command()(rest.reserve)
app.command()(rest.cancel)
app.command()(rest.watch)
app.command()(version)
