"""Endpoints of users, tokens and permissions, where the server knows its users."""

from __future__ import annotations

from typing import Any, Final, Literal

from msgspec import UNSET, UnsetType

from tracklet_services.server.accounts import PERMISSIONS, Accounts, Caller, Denied
from tracklet_services.server.replies import Nothing, Reply
from tracklet_services.server.requests import Empty, Named, OfExperiment, Request
from tracklet_services.server.table import KINDS, Endpoint, Served


class OfUser(Request, kw_only=True):
    """What names a user."""

    username: str


class Login(OfUser, kw_only=True):
    """A user and a password."""

    password: str


class NewPassword(Login, kw_only=True):
    """Another password; who is no administrator says the present one, too."""

    current_password: str | None = None


class Rank(OfUser, kw_only=True):
    """Whether a user is an administrator."""

    is_admin: bool


class NewToken(Request, kw_only=True):
    """What a token of the caller's allows."""

    scope: Literal["read", "log", "admin"]
    experiment_ids: list[str] | None = None


class OwnToken(Request, kw_only=True):
    """A token, by its id; the caller's, unless an administrator names another user."""

    token_id: str
    username: str | None = None


class OwnTokens(Request, kw_only=True):
    """Whose tokens: the caller's, unless an administrator names another user."""

    username: str | None = None


class OnResource(Request, kw_only=True):
    """A user's permission on something."""

    username: str
    resource_type: Literal["experiment", "registered_model"]
    resource_id: str


class Grant(OnResource, kw_only=True):
    """A permission on something that a user gets."""

    permission: str


class OnExperiment(OfExperiment, kw_only=True):
    """A user's permission on an experiment."""

    username: str
    permission: str = "READ"


class OnRegistered(Named, kw_only=True):
    """A user's permission on a registered model."""

    username: str
    permission: str = "READ"


class OneUser(Reply, kw_only=True):
    """A user."""

    user: dict[str, Any]


class Token(Reply, kw_only=True):
    """A token, which is shown this once."""

    token: str


class Users(Reply, kw_only=True):
    """All users."""

    users: list[dict[str, Any]]


class Tokens(Reply, kw_only=True):
    """What somebody's tokens allow; the tokens themselves are known to nobody."""

    tokens: list[dict[str, Any]]


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


def create(at: Served, asked: Login) -> OneUser:
    """Make a user."""
    accounts, caller = _accounts(at)
    return OneUser(user=accounts.create_user(asked.username, asked.password, caller))


def get(at: Served, asked: OfUser) -> OneUser:
    """What is known of a user."""
    return OneUser(user=_accounts(at)[0].user(asked.username))


def update_password(at: Served, asked: NewPassword) -> Nothing:
    """Another password."""
    accounts, caller = _accounts(at)
    if not caller.rules:  # so that a stolen token, or a browser left open, changes none
        accounts.by_password(caller.name, asked.current_password or "", "users/update-password")
    accounts.change_user(asked.username, password=asked.password)
    return Nothing()


def update_admin(at: Served, asked: Rank) -> Nothing:
    """Another rank."""
    _accounts(at)[0].change_user(asked.username, is_admin=asked.is_admin)
    return Nothing()


def delete(at: Served, asked: OfUser) -> Nothing:
    """Remove a user."""
    _accounts(at)[0].delete_user(asked.username)
    return Nothing()


def create_token(at: Served, asked: NewToken) -> Token:
    """A token that allows no more than its maker's own credentials do."""
    accounts, caller = _accounts(at)
    return Token(token=accounts.create_token(caller, asked.scope, asked.experiment_ids))


def every(at: Served, asked: Empty) -> Users:
    """All users."""
    return Users(users=[{**user, "roles": []} for user in _accounts(at)[0].users()])


def tokens(at: Served, asked: OwnTokens) -> Tokens:
    """What tokens allow."""
    accounts, name = _whose(at, asked.username)
    return Tokens(tokens=accounts.tokens(name))


def revoke_token(at: Served, asked: OwnToken) -> Nothing:
    """Void a token."""
    accounts, name = _whose(at, asked.username)
    accounts.revoke_token(name, asked.token_id)
    return Nothing()


def _whose(at: Served, name: str | None) -> tuple[Accounts, str]:
    accounts, caller = _accounts(at)
    if name not in (None, caller.name) and not caller.rules:
        raise Denied("the tokens of others are an administrator's business")
    return accounts, name or caller.name


def grant(at: Served, asked: Grant) -> Nothing:
    """Grant a permission."""
    kind = KINDS[asked.resource_type]
    _accounts(at)[0].grant(asked.username, kind, asked.resource_id, asked.permission)
    return Nothing()


def revoke(at: Served, asked: OnResource) -> Nothing:
    """Take a permission back."""
    _accounts(at)[0].revoke(KINDS[asked.resource_type], asked.resource_id, asked.username)
    return Nothing()


def granted(at: Served, asked: OnResource) -> Allowed:
    """What a user may do to something."""
    accounts = _accounts(at)[0]
    user = accounts.user(asked.username)
    permission = "MANAGE" if user["is_admin"] else "NO_PERMISSIONS"
    for one in _rows(user):
        if (one["resource_type"], one["resource_pattern"]) == (
            asked.resource_type,
            asked.resource_id,
        ):
            permission = max(permission, one["permission"], key=PERMISSIONS.__getitem__)
    return Allowed(allowed=PERMISSIONS[permission] >= PERMISSIONS["EDIT"], permission=permission)


def permissions(at: Served, asked: OfUser) -> Permissions:
    """What is granted to a user."""
    return _all_of(_accounts(at)[0].user(asked.username))


def own_permissions(at: Served, asked: Empty) -> Permissions:
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


def current(at: Served, asked: Empty) -> OneUser:
    """Who asks."""
    accounts, caller = _accounts(at)
    return OneUser(user=accounts.user(caller.name))


def grant_experiment(at: Served, asked: OnExperiment) -> Granted:
    """Grant a permission on an experiment."""
    made = _accounts(at)[0].grant(
        asked.username, "experiment", asked.experiment_id, asked.permission
    )
    return Granted(experiment_permission={"experiment_id": asked.experiment_id, **made})


def granted_experiment(at: Served, asked: OnExperiment) -> Granted:
    """What is granted on an experiment."""
    found = _accounts(at)[0].granted(asked.username, "experiment", asked.experiment_id)
    return Granted(experiment_permission={"experiment_id": asked.experiment_id, **found})


def revoke_experiment(at: Served, asked: OnExperiment) -> Nothing:
    """Take a permission on an experiment back."""
    _accounts(at)[0].revoke("experiment", asked.experiment_id, asked.username)
    return Nothing()


def grant_registered(at: Served, asked: OnRegistered) -> Granted:
    """Grant a permission on a registered model."""
    made = _accounts(at)[0].grant(asked.username, "registered", asked.name, asked.permission)
    return Granted(registered_model_permission={"name": asked.name, **made})


def granted_registered(at: Served, asked: OnRegistered) -> Granted:
    """What is granted on a registered model."""
    found = _accounts(at)[0].granted(asked.username, "registered", asked.name)
    return Granted(registered_model_permission={"name": asked.name, **found})


def revoke_registered(at: Served, asked: OnRegistered) -> Nothing:
    """Take a permission on a registered model back."""
    _accounts(at)[0].revoke("registered", asked.name, asked.username)
    return Nothing()


_E = "experiments/permissions/"
_R = "registered-models/permissions/"
_U = "users/permissions/"
_NEW = ("3.0",)
ENDPOINTS: Final = (
    Endpoint("POST", "users/create", "admin", "accounts", Login, create, OneUser),
    Endpoint("GET", "users/get", "read", "accounts", OfUser, get, OneUser),
    Endpoint("GET", "users/current", "read", "nothing", Empty, current, OneUser),
    Endpoint("PATCH", "users/update-password", "admin", "accounts", NewPassword, update_password,
             Nothing),
    Endpoint("PATCH", "users/update-admin", "admin", "accounts", Rank, update_admin, Nothing),
    Endpoint("DELETE", "users/delete", "admin", "accounts", OfUser, delete, Nothing),
    Endpoint("GET", "users/list", "admin", "accounts", Empty, every, Users),
    Endpoint("GET", "users/list-tokens", "read", "nothing", OwnTokens, tokens, Tokens),
    Endpoint("DELETE", "users/delete-token", "admin", "nothing", OwnToken, revoke_token, Nothing),
    Endpoint("POST", f"{_U}grant", "admin", "resource", Grant, grant, Nothing, _NEW),
    Endpoint("POST", f"{_U}revoke", "admin", "resource", OnResource, revoke, Nothing, _NEW),
    Endpoint("GET", f"{_U}get", "admin", "resource", OnResource, granted, Allowed, _NEW),
    Endpoint("GET", f"{_U}list", "read", "accounts", OfUser, permissions, Permissions, _NEW),
    Endpoint("GET", "users/current/permissions", "read", "nothing", Empty, own_permissions,
             Permissions, _NEW),
    Endpoint("POST", "users/create-token", "admin", "nothing", NewToken, create_token, Token),
    Endpoint("POST", f"{_E}create", "admin", "experiment", OnExperiment, grant_experiment,
             Granted),
    Endpoint("GET", f"{_E}get", "admin", "experiment", OnExperiment, granted_experiment, Granted),
    Endpoint("PATCH", f"{_E}update", "admin", "experiment", OnExperiment, grant_experiment,
             Granted),
    Endpoint("DELETE", f"{_E}delete", "admin", "experiment", OnExperiment, revoke_experiment,
             Nothing),
    Endpoint("POST", f"{_R}create", "admin", "registered", OnRegistered, grant_registered,
             Granted),
    Endpoint("GET", f"{_R}get", "admin", "registered", OnRegistered, granted_registered, Granted),
    Endpoint("PATCH", f"{_R}update", "admin", "registered", OnRegistered, grant_registered,
             Granted),
    Endpoint("DELETE", f"{_R}delete", "admin", "registered", OnRegistered, revoke_registered,
             Nothing),
)  # fmt: skip
