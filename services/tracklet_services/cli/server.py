"""``tracklet server``: one record for a team."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tracklet_services.cli import options, output


@click.command()
@click.option(
    "--backend-store-uri",
    metavar="URI",
    help="The record: a folder, sqlite:///… or postgresql://…; by default the one in use.",
)
@click.option(
    "--artifacts-destination",
    metavar="URI",
    help="Where artifacts of new experiments go, through the server: s3://…, gs://… or abfs://…",
)
@click.option("-h", "--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("-p", "--port", type=click.IntRange(0, 65535), default=5000, show_default=True)
@click.option("--uds", metavar="PATH", help="A Unix socket to listen on instead.")
@click.option(
    "-w", "--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes."
)
@click.option(
    "--static-prefix", "prefix", default="", metavar="/PREFIX", help="What precedes each path."
)
@click.option("--ssl-certfile", "certificate", type=click.Path(exists=True, dir_okay=False))
@click.option("--ssl-keyfile", "key", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--allowed-hosts",
    metavar="NAMES",
    help="Host names to answer to, separated by commas, beside addresses and local names.",
)
@click.option(
    "--cors-allowed-origins",
    metavar="ORIGINS",
    help="Other origins whose pages may use the server, separated by commas.",
)
@click.option(
    "--max-body-mb", type=click.FloatRange(0, min_open=True), default=64, show_default=True
)
@click.option(
    "-t",
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=60,
    show_default=True,
    help="Seconds per request, but for files.",
)
@click.option("--auth", is_flag=True, help="Know the users, and deny what was not granted.")
@click.option(
    "--auth-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the users are kept; by default among tracklet's settings.",
)
@click.option(
    "--webhooks-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where webhooks are kept; by default among tracklet's settings.",
)
@click.option("--access-log", is_flag=True, help="Print a line of JSON for each request.")
@click.option(
    "--expose-to-everybody",
    "exposed",
    is_flag=True,
    help="Listen beyond this machine although anybody there may then do anything.",
)
@options.common
def server(
    backend_store_uri: str | None,
    artifacts_destination: str | None,
    allowed_hosts: str | None,
    cors_allowed_origins: str | None,
    max_body_mb: float,
    timeout: float,
    auth: bool,
    auth_file: Path | None,
    webhooks_file: Path | None,
    json_output: bool,
    **running_as: Any,
) -> None:
    """Serve a record to a team, by MLflow's REST protocol."""
    from tracklet import settings
    from tracklet_services.server import running
    from tracklet_services.web import hosts
    from tracklet_services.web.guard import Policy

    given = None if allowed_hosts is None else allowed_hosts.split(",")
    policy = Policy(
        hosts=hosts.allowed_hosts(given),
        origins=[one.strip() for one in (cors_allowed_origins or "").split(",") if one.strip()],
        body_bytes=int(max_body_mb * (1 << 20)),
        seconds=timeout,
    )
    users = auth_file or settings.config_dir() / "server-users.db"
    chosen = running.Options(
        settings.absolute_uri(backend_store_uri) if backend_store_uri else running.default_store(),
        accounts=str(users) if auth or auth_file else None,
        hooks=str(webhooks_file) if webhooks_file else running.default_hooks(),
        policy=policy,
        destination=artifacts_destination or settings.option("ARTIFACTS_DESTINATION"),
        **running_as,
    )
    token = running.first_token(chosen)
    store = output.mask(chosen.store)
    document = {"store": store, "address": chosen.address, "first_token": token}
    said = f"{store} at {chosen.address}"
    if token is not None:
        said += f"\nThere is no user yet. This token makes the first one, once: {token}"
    output.answer(document, said, json_output)
    running.serve(chosen)
