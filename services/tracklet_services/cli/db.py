"""``tracklet db``: the schema of a record in a database."""

from __future__ import annotations

import click

from tracklet_services.cli import options, output


@click.group()
def db() -> None:
    """Look at the schema of a record in a database, and bring it up to date."""


@db.command()
@click.argument("uri")
@options.common
@click.pass_context
def check(ctx: click.Context, uri: str, json_output: bool) -> None:
    """Say whether the schema is of this version; if not, the exit status is 1. Nothing changes."""
    from tracklet_services.sql.database import lacking

    missing = lacking(uri)
    document = {"uri": output.mask(uri), "lacks": missing}
    said = f"lacks the steps {', '.join(missing)}: tracklet db upgrade" if missing else "up to date"
    output.answer(document, said, json_output)
    ctx.exit(1 if missing else 0)


@db.command()
@click.argument("uri")
@options.common
def upgrade(uri: str, json_output: bool) -> None:
    """Make the schema, or bring it to this version; whoever else starts meanwhile waits."""
    from tracklet_services.sql.database import Database, lacking

    missing = lacking(uri)
    Database(uri).close()
    document = {"uri": output.mask(uri), "applied": missing}
    said = f"applied {', '.join(missing)}" if missing else "was up to date"
    output.answer(document, said, json_output)
