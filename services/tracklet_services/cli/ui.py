"""``tracklet ui``: look at the record in a browser."""

from __future__ import annotations

import socket
from typing import Any

import click

from tracklet import lazy, settings
from tracklet.errors import InvalidParameterValue, StorageError
from tracklet_services.cli import options, output

_PORT = 5000
_TRIES = 50
_LOCAL = ("127.0.0.1", "localhost", "::1")


@click.command(short_help="Look at the record in a browser.")
@click.argument("place", required=False)
@click.option("-h", "--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option(
    "-p",
    "--port",
    type=click.IntRange(0, 65535),
    help="The port; without it, 5000 or the next one that is free.",
)
@click.option("--base-path", default="", help="What stands before each path, such as /runs.")
@click.option(
    "--allow-host", "allow_hosts", multiple=True, metavar="NAME", help="A name to answer to, too."
)
@click.option("--read-only", is_flag=True, help="Offer nothing that changes the record.")
@click.option("--no-browser", is_flag=True, help="Do not open a browser.")
@click.option(
    "--no-token",
    is_flag=True,
    help="Let in everyone who reaches the port: on this machine, all of its users.",
)
@options.common
def ui(
    place: str | None,
    host: str,
    port: int | None,
    base_path: str,
    allow_hosts: tuple[str, ...],
    read_only: bool,
    no_browser: bool,
    no_token: bool,
    json_output: bool,
) -> None:
    """Look at the record in a browser.

    PLACE is a folder or the URI of a database; by default the record of the settings.
    """
    needed: dict[str, Any] = {
        name: lazy.imported(name, name, purpose="the web UI", extra="ui")
        for name in ("starlette", "msgspec", "uvicorn")
    }
    uvicorn = needed["uvicorn"]

    from tracklet_services.server import personal
    from tracklet_services.ui import security
    from tracklet_services.ui.place import Place

    if no_token and host not in _LOCAL:
        raise InvalidParameterValue(
            f"--no-token goes with a local address only; everyone who reaches {host} could read "
            "the record"
        )
    if place is not None:
        settings.set_tracking_uri(place)
    _check_place(settings.tracking_uri())
    listening = _listen(host, port)
    chosen = listening.getsockname()[1]
    token = None if no_token else security.kept_token()
    base = f"/{base_path.strip('/')}" if base_path.strip("/") else ""
    shown = Place(read_only=read_only)
    application = personal.create_app(
        shown, token=token, port=chosen, allowed_hosts=allow_hosts, base_path=base
    )
    named = f"[{host}]" if ":" in host else host
    address = f"http://{named}:{chosen}{base}/"
    link = address if token is None else f"{address}?token={token}"
    taken = port is None and chosen != _PORT
    words = f"{output.mask(shown.uri)} at {link}" + (f"\nport {_PORT} is taken" if taken else "")
    output.answer(
        {"place": output.mask(shown.uri), "address": address, "link": link}, words, json_output
    )
    if not no_browser:
        _open(link)
    config = uvicorn.Config(
        application,
        log_level="critical",
        server_header=False,
        lifespan="off",
        access_log=False,
        timeout_graceful_shutdown=1,  # open pages listen for changes, and would for ever
    )
    try:
        uvicorn.Server(config).run(sockets=[listening])
    except KeyboardInterrupt:
        pass
    finally:
        shown.close()


def _check_place(uri: str) -> None:
    """Refuse a database that is not there: opening it would make it."""
    path = uri.removeprefix("sqlite:///") if uri.startswith("sqlite:///") else None
    if path is not None:
        import os

        if not os.path.exists(path):
            raise InvalidParameterValue(f"there is no database {path!r}; nothing to show")


def _listen(host: str, port: int | None) -> socket.socket:
    """A socket at the port, or at the first one that is free."""
    ports = range(_PORT, _PORT + _TRIES) if port is None else [port]
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    problem: OSError | None = None
    for one in ports:
        made = socket.socket(family, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind((host, one))
            made.listen(128)
            return made
        except OSError as error:
            made.close()
            problem = error
    raise StorageError(
        f"cannot listen at {host}, port {port if port is not None else _PORT}: {problem}; "
        "name another one with --port"
    )


def _open(link: str) -> None:
    """Open the browser, if there is one, without waiting for it."""
    import threading
    import webbrowser

    threading.Thread(target=webbrowser.open, args=(link,), daemon=True).start()
