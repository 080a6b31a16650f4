"""The command line, ``tracklet``: look at the record, tidy it up, and see what is installed."""

from __future__ import annotations


def main() -> None:
    """The console entry point."""
    # Imported here so that `tracklet.cli` can be named without loading click.
    from tracklet.cli.app import app

    app(prog_name="tracklet")
