"""Endpoints of users, tokens and permissions, where the server knows its users."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

from msgspec import UNSET, UnsetType

from tracklet_services.server.accounts import PERMISSIONS, Accounts, Caller, Denied
from tracklet_services.server.replies import Reply
from tracklet_services.server.table import KINDS, Endpoint, Served

_Kind: TypeAlias = Literal["experiment", "registered_model"]
OneUser: TypeAlias = Annotated[dict[str, Any], "user"]
Token: TypeAlias = Annotated[str, "token"]
Users: TypeAlias = Annotated[list[dict[str, Any]], "users"]
Tokens: TypeAlias = Annotated[list[dict[str, Any]], "tokens"]


class Allowed(Reply, kw_only=True):
    """A permission, and whether it lets a user add to it."""

    allowed: bool | UnsetType = UNSET
    permission: str


class Permissions(Reply, kw_only=True):
    """What is granted to a user."""

    is_admin: bool | UnsetType = UNSET
    permissions: list[dict[str, Any]] | UnsetType = UNSET


class Granted(Reply, kw_only=True):
    """A permission."""

    experiment_permission: dict[str, Any] | UnsetType = UNSET
    registered_model_permission: dict[str, Any] | UnsetType = UNSET


def _accounts(at: Served) -> tuple[Accounts, Caller]:
    assert at.accounts is not None
    assert at.caller is not None
    return at.accounts, at.caller


def create(at: Served, username: str, password: str) -> OneUser:
    """Make a user."""
    accounts, caller = _accounts(at)
    return accounts.create_user(username, password, caller)


def get(at: Served, username: str) -> OneUser:
    """What is known of a user."""
    return _accounts(at)[0].user(username)


def update_password(
    at: Served, username: str, password: str, current_password: str | None = None
) -> None:
    """Another password."""
    accounts, caller = _accounts(at)
    if not caller.rules:  # so that a stolen token, or a browser left open, changes none
        accounts.by_password(caller.name, current_password or "", "users/update-password")
    accounts.change_user(username, password=password)


def update_admin(at: Served, username: str, is_admin: bool) -> None:
    """Another rank."""
    _accounts(at)[0].change_user(username, is_admin=is_admin)


def delete(at: Served, username: str) -> None:
    """Remove a user."""
    _accounts(at)[0].delete_user(username)


def create_token(
    at: Served, scope: Literal["read", "log", "admin"], experiment_ids: list[str] | None = None
) -> Token:
    """A token that allows no more than its maker's own credentials do."""
    accounts, caller = _accounts(at)
    return accounts.create_token(caller, scope, experiment_ids)


def every(at: Served) -> Users:
    """All users."""
    return [{**user, "roles": []} for user in _accounts(at)[0].users()]


def tokens(at: Served, username: str | None = None) -> Tokens:
    """What tokens allow."""
    accounts, name = _whose(at, username)
    return accounts.tokens(name)


def revoke_token(at: Served, token_id: str, username: str | None = None) -> None:
    """Void a token."""
    accounts, name = _whose(at, username)
    accounts.revoke_token(name, token_id)


def _whose(at: Served, name: str | None) -> tuple[Accounts, str]:
    accounts, caller = _accounts(at)
    if name not in (None, caller.name) and not caller.rules:
        raise Denied("the tokens of others are an administrator's business")
    return accounts, name or caller.name


def grant(
    at: Served, username: str, resource_type: _Kind, resource_id: str, permission: str
) -> None:
    """Grant a permission."""
    kind = KINDS[resource_type]
    _accounts(at)[0].grant(username, kind, resource_id, permission)


def revoke(at: Served, username: str, resource_type: _Kind, resource_id: str) -> None:
    """Take a permission back."""
    _accounts(at)[0].revoke(KINDS[resource_type], resource_id, username)


def granted(at: Served, username: str, resource_type: _Kind, resource_id: str) -> Allowed:
    """What a user may do to something."""
    accounts = _accounts(at)[0]
    user = accounts.user(username)
    permission = "MANAGE" if user["is_admin"] else "NO_PERMISSIONS"
    for one in _rows(user):
        if (one["resource_type"], one["resource_pattern"]) == (
            resource_type,
            resource_id,
        ):
            permission = max(permission, one["permission"], key=PERMISSIONS.__getitem__)
    return Allowed(allowed=PERMISSIONS[permission] >= PERMISSIONS["EDIT"], permission=permission)


def permissions(at: Served, username: str) -> Permissions:
    """What is granted to a user."""
    return _all_of(_accounts(at)[0].user(username))


def own_permissions(at: Served) -> Permissions:
    """What is granted to who asks."""
    accounts, caller = _accounts(at)
    return _all_of(accounts.user(caller.name))


def _all_of(user: dict[str, Any]) -> Permissions:
    return Permissions(is_admin=user["is_admin"], permissions=_rows(user))


def _rows(user: dict[str, Any]) -> list[dict[str, Any]]:
    """The grants of a user, as MLflow lists them."""
    of = {"experiment": "experiment_id", "registered_model": "name"}
    return [
        {
            "resource_type": kind,
            "resource_pattern": one[key],
            "permission": one["permission"],
            "workspace": "default",
        }
        for kind, key in of.items()
        for one in user[f"{kind}_permissions"]
    ]


def current(at: Served) -> OneUser:
    """Who asks."""
    accounts, caller = _accounts(at)
    return accounts.user(caller.name)


def grant_experiment(
    at: Served, experiment_id: str, username: str, permission: str = "READ"
) -> Granted:
    """Grant a permission on an experiment."""
    made = _accounts(at)[0].grant(username, "experiment", experiment_id, permission)
    return Granted(experiment_permission={"experiment_id": experiment_id, **made})


def granted_experiment(
    at: Served, experiment_id: str, username: str, permission: str = "READ"
) -> Granted:
    """What is granted on an experiment."""
    found = _accounts(at)[0].granted(username, "experiment", experiment_id)
    return Granted(experiment_permission={"experiment_id": experiment_id, **found})


def revoke_experiment(
    at: Served, experiment_id: str, username: str, permission: str = "READ"
) -> None:
    """Take a permission on an experiment back."""
    _accounts(at)[0].revoke("experiment", experiment_id, username)


def grant_registered(at: Served, name: str, username: str, permission: str = "READ") -> Granted:
    """Grant a permission on a registered model."""
    made = _accounts(at)[0].grant(username, "registered", name, permission)
    return Granted(registered_model_permission={"name": name, **made})


def granted_registered(at: Served, name: str, username: str, permission: str = "READ") -> Granted:
    """What is granted on a registered model."""
    found = _accounts(at)[0].granted(username, "registered", name)
    return Granted(registered_model_permission={"name": name, **found})


def revoke_registered(at: Served, name: str, username: str, permission: str = "READ") -> None:
    """Take a permission on a registered model back."""
    _accounts(at)[0].revoke("registered", name, username)


_E = "experiments/permissions/"
_R = "registered-models/permissions/"
_U = "users/permissions/"
_NEW = ("3.0",)
ENDPOINTS: Final = (
    Endpoint("POST", "users/create", "admin", "accounts", create),
    Endpoint("GET", "users/get", "read", "accounts", get),
    Endpoint("GET", "users/current", "read", "nothing", current),
    Endpoint("PATCH", "users/update-password", "admin", "accounts", update_password),
    Endpoint("PATCH", "users/update-admin", "admin", "accounts", update_admin),
    Endpoint("DELETE", "users/delete", "admin", "accounts", delete),
    Endpoint("GET", "users/list", "admin", "accounts", every),
    Endpoint("GET", "users/list-tokens", "read", "nothing", tokens),
    Endpoint("DELETE", "users/delete-token", "admin", "nothing", revoke_token),
    Endpoint("POST", f"{_U}grant", "admin", "resource", grant, _NEW),
    Endpoint("POST", f"{_U}revoke", "admin", "resource", revoke, _NEW),
    Endpoint("GET", f"{_U}get", "admin", "resource", granted, _NEW),
    Endpoint("GET", f"{_U}list", "read", "accounts", permissions, _NEW),
    Endpoint("GET", "users/current/permissions", "read", "nothing", own_permissions, _NEW),
    Endpoint("POST", "users/create-token", "admin", "nothing", create_token),
    Endpoint("POST", f"{_E}create", "admin", "experiment", grant_experiment),
    Endpoint("GET", f"{_E}get", "admin", "experiment", granted_experiment),
    Endpoint("PATCH", f"{_E}update", "admin", "experiment", grant_experiment),
    Endpoint("DELETE", f"{_E}delete", "admin", "experiment", revoke_experiment),
    Endpoint("POST", f"{_R}create", "admin", "registered", grant_registered),
    Endpoint("GET", f"{_R}get", "admin", "registered", granted_registered),
    Endpoint("PATCH", f"{_R}update", "admin", "registered", grant_registered),
    Endpoint("DELETE", f"{_R}delete", "admin", "registered", revoke_registered),
)
