"""``tracklet users``: whom a server knows, by the file that it keeps them in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tracklet_services.cli import options, output

if TYPE_CHECKING:
    from tracklet_services.server.accounts import Accounts

_file = click.option(
    "--auth-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the server keeps its users; by default among tracklet's settings.",
)


@click.group()
def users() -> None:
    """Look at a server's users and their tokens, and void tokens, on the server's machine."""


@users.command("list")
@_file
@options.common
def every(auth_file: Path | None, json_output: bool) -> None:
    """All users."""
    found = _accounts(auth_file).users()
    said = [f"{one['username']}{' (administrator)' if one['is_admin'] else ''}" for one in found]
    output.answer({"users": found}, "\n".join(said) or "no users", json_output)


@users.command()
@click.argument("username")
@_file
@options.common
def tokens(username: str, auth_file: Path | None, json_output: bool) -> None:
    """What the tokens of a user allow."""
    found = _accounts(auth_file).tokens(username)
    said = [f"{one['token_id']}  {one['scope']}  {_where(one)}" for one in found]
    output.answer({"tokens": found}, "\n".join(said) or "no tokens", json_output)


def _where(token: dict[str, object]) -> str:
    only = token["experiment_ids"]
    return f"experiments {', '.join(only)}" if isinstance(only, list) else "all experiments"


@users.command("revoke-token")
@click.argument("username")
@click.argument("token_id")
@_file
@options.common
def revoke(username: str, token_id: str, auth_file: Path | None, json_output: bool) -> None:
    """Void a token, whose id `tracklet users tokens` shows; running servers refuse it at once."""
    _accounts(auth_file).revoke_token(username, token_id)
    output.answer({"revoked": token_id}, f"revoked {token_id}", json_output)


def _accounts(given: Path | None) -> Accounts:
    from tracklet import settings
    from tracklet.errors import InvalidParameterValue
    from tracklet_services.server.accounts import Accounts

    path = given or settings.config_dir() / "server-users.db"
    if not path.exists():
        raise InvalidParameterValue(
            f"there are no users at {str(path)!r}; name the file that the server has by --auth-file"
        )
    return Accounts(path)
