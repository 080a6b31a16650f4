"""``tracklet doctor``: where things are, and whether they work."""

from __future__ import annotations

import click

from tracklet_services.cli import options, output


@click.command(short_help="Say where things are and whether they work.")
@options.common
def doctor(json_output: bool) -> None:
    """Say where things are and whether they work; exits with 1 if something does not.

    Passwords and tokens are masked, so the answer can be shown to others.
    """
    from tracklet import settings
    from tracklet_services.health import examined

    found = examined(settings.tracking_uri())
    checks = found["checks"]
    healthy = found["healthy"]
    if json_output:
        facts, rest = found["facts"], {k: v for k, v in found.items() if k != "facts"}
        output.as_json({"healthy": rest.pop("healthy"), **facts, **rest})
    else:
        output.say("tracklet " + ("is well" if healthy else "has a problem"))
        output.section(
            "Facts", ((key.replace("_", " "), value) for key, value in found["facts"].items())
        )
        output.section("Environment", found["environment"].items())
        output.section(
            "Checks",
            [
                (name, f"{'ok' if check['ok'] else 'PROBLEM'}: {check['message']}")
                for name, check in checks.items()
            ],
        )
        for name, check in checks.items():
            if not check["ok"]:
                output.say(f"{name}: {check['way_out']}")
    if not healthy:
        raise click.exceptions.Exit(1)
