"""The console entry point, ``tracklet``; the commands live in :mod:`tracklet_services.cli`."""

from __future__ import annotations

from importlib import import_module


def main() -> None:
    """Run the command line."""
    # By name: the core knows no service.
    import_module("tracklet_services.cli.app").app(prog_name="tracklet")
