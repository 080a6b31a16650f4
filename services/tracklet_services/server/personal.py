"""The server of one user, on the user's own machine: the pages first, behind a token."""

from __future__ import annotations

from collections.abc import Sequence

from tracklet_services.server import app
from tracklet_services.ui.app import routes
from tracklet_services.ui.place import Place
from tracklet_services.ui.security import Door
from tracklet_services.web.guard import Guard, Policy


def create_app(
    place: Place,
    *,
    token: str | None,
    port: int = 5000,
    allowed_hosts: Sequence[str] = (),
    base_path: str = "",
) -> Guard:
    """The pages and the tracking protocol, by which they change the record, behind one door.

    Args:
        place: The record.
        token: The secret of the link; None lets everyone in who reaches the port.
        port: Where it listens; cookies know no ports, so that their name does.
        allowed_hosts: Names that are answered to beside the local ones.
        base_path: What stands before each path.
    """
    policy = Policy(hosts=allowed_hosts)
    both = app.create_app(place.client.store, policy, routes=routes(place), prefix=base_path)
    cookie = f"tracklet_{port}"
    read_only = place.read_only
    door = Door(both, token=token, cookie=cookie, read_only=read_only, base_path=base_path)
    return Guard(door, policy)
