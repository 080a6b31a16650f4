"""``tracklet sync``: send what the spools of this machine hold."""

from __future__ import annotations

import io
import itertools
import sys
import time
from collections.abc import Sequence
from typing import Any

import click

from tracklet import settings
from tracklet.errors import TrackletException
from tracklet.stores.rest.shipper import Shipper
from tracklet.stores.rest.spool import Spool, spools
from tracklet.stores.rest.store import RestStore
from tracklet_services.cli import options, output


@click.command(short_help="Send to the tracking server what it does not have yet.")
@click.option("--keep", is_flag=True, help="Keep here what was sent; else it is removed.")
@click.option(
    "--wait",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="How long to wait for another process that is sending.",
)
@options.common
def sync(keep: bool, wait: float, json_output: bool) -> None:
    """Send runs, models and traces that were recorded here for a tracking server.

    Sends to the server of the tracking URI, or, if that is none, to every server that something
    is kept for. What was sent already is not sent again. Fails if something is left.
    """
    reports = [_sent(spool, server, keep, wait, json_output) for spool, server in _chosen()]
    if json_output:
        output.as_json(reports)
    elif not reports:
        output.say("There is nothing to send.")
    if any(report["left"] or report["problem"] for report in reports):
        raise SystemExit(1)


def _chosen() -> Sequence[tuple[Spool, RestStore]]:
    tracking = settings.tracking_uri()
    if tracking.startswith(("http://", "https://")):
        server = RestStore(tracking)
        spool = Spool(server.uri, tracking)
        return [(spool, server)] if spool.is_there() else []
    return [(Spool(uri, uri, root), RestStore(uri)) for root, uri in spools()]


def _sent(spool: Spool, server: RestStore, keep: bool, wait: float, silent: bool) -> dict[str, Any]:
    shipper, problem = Shipper(spool, server), None
    until = time.monotonic() + wait
    while True:
        with spool.sending() as free:
            if free:
                problem = _deliver(shipper, silent)
                break
        if time.monotonic() > until:
            problem = "another process is sending"
            break
        time.sleep(0.05)
    left = shipper.left()
    removed = [] if keep else shipper.remove_sent(0)
    report = {
        "server": server.uri,
        "sent": dict(shipper.sent),
        "left": left,
        "removed": len(removed),
        "refused": shipper.refused(),
        "problem": problem or "; ".join(shipper.problems.values()) or None,
    }
    if not silent:
        _say(report)
    return report


def _deliver(shipper: Shipper, silent: bool) -> str | None:
    # How much there is to send is not known beforehand, so the bar has no end.
    stream = io.StringIO() if silent else sys.stderr
    with click.progressbar(itertools.count(), label=shipper.server.uri, file=stream) as bar:
        try:
            shipper.deliver(told=lambda: bar.update(1))
        except TrackletException as error:
            return error.message
    return None


def _say(report: dict[str, Any]) -> None:
    sent = ", ".join(f"{count} {what}" for what, count in report["sent"].items()) or "nothing new"
    output.say(f"{report['server']}: sent {sent}; {len(report['left'])} runs are left")
    if report["problem"]:
        output.say(f"  {report['problem']}", err=True)
    for refused in report["refused"]:
        output.say(f"  refused: {refused}", err=True)
