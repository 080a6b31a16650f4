"""Who may do what: users, tokens and grants, in a SQLite file of the server's own.

Nobody may do anything that was not granted. A password is kept as scrypt's hash, a token, which is
random, as SHA-256's; there is no user and no password until somebody makes one with the token that
the first start prints, which serves once.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import sqlite3
import threading
import time
from pathlib import Path
from typing import Final, NamedTuple

from tracklet.errors import (
    InvalidParameterValue,
    ResourceAlreadyExists,
    ResourceDoesNotExist,
    TrackletException,
    brief,
)
from tracklet_services.server.private import PrivateFile
from tracklet_services.server.table import Right

SHORTEST_PASSWORD: Final = 12
PERMISSIONS: Final[dict[str, int]] = {"NO_PERMISSIONS": 0, "READ": 1, "EDIT": 2, "MANAGE": 3}
"""MLflow's names of what may be granted."""

_RANK: Final[dict[Right, int]] = {"read": 1, "log": 2, "admin": 3}
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS users (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, password BLOB NOT NULL,
    salt BLOB NOT NULL, is_admin INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS tokens (
    hash BLOB PRIMARY KEY, user INTEGER REFERENCES users(id) ON DELETE CASCADE,
    scope INTEGER NOT NULL, experiments TEXT);
CREATE TABLE IF NOT EXISTS grants (
    user INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    kind TEXT NOT NULL, key TEXT NOT NULL, permission INTEGER NOT NULL,
    PRIMARY KEY (user, kind, key));
"""
_LENGTH_OF_ID: Final = 16
_MOST_FAILURES: Final = 10
_MOST_OF_A_CLIENT: Final = 100
_FORGOTTEN_AFTER: Final = 60.0
_REMEMBERED_FOR: Final = 60.0


class Unauthenticated(TrackletException):
    """Nobody says who asks, or not so that it can be believed."""

    code = "UNAUTHENTICATED"


class Denied(TrackletException):
    """Who asks may not do this."""

    code = "PERMISSION_DENIED"


class TooMany(TrackletException):
    """Too many wrong passwords."""

    code = "REQUEST_LIMIT_EXCEEDED"


class Caller(NamedTuple):
    """Who asks.

    Attributes:
        user: The user's number; 0 for who holds the token of the first start.
        name: The user's name.
        is_admin: Whether everything is granted.
        scope: The most that the token allows.
        experiments: The only experiments that the token is for; None for all.
    """

    user: int
    name: str
    is_admin: bool
    scope: int = 3
    experiments: frozenset[str] | None = None

    @property
    def is_first(self) -> bool:
        """Whether this is the token of the first start, which only makes the first user."""
        return self.user == 0

    @property
    def rules(self) -> bool:
        """Whether this is an administrator with all of an administrator's rights."""
        return self.is_admin and self.scope == 3 and self.experiments is None


class Accounts:
    """The users of a server.

    Args:
        path: The SQLite file, readable by its owner alone.
    """

    def __init__(self, path: Path) -> None:
        self._at = PrivateFile(path, _TABLES).at
        self._failures: dict[tuple[str, str | None], list[float]] = {}
        self._known: dict[bytes, float] = {}
        self._secret = os.urandom(32)
        self._lock = threading.Lock()

    def first_token(self) -> str | None:
        """A token that makes the first user, if there is none; earlier such ones are void."""
        token = secrets.token_urlsafe(32)
        with self._at() as at:
            at.execute("BEGIN IMMEDIATE")
            if at.execute("SELECT 1 FROM users LIMIT 1").fetchone():
                return None
            at.execute("DELETE FROM tokens WHERE user IS NULL")
            at.execute("INSERT INTO tokens VALUES (?, NULL, 3, NULL)", (_hash(token),))
        return token

    # -- who asks ------------------------------------------------------------------------------

    def by_password(self, name: str, password: str, client: str) -> Caller:
        """The user of a name and password.

        Raises:
            Unauthenticated: They do not belong together.
            TooMany: Within a minute they did not ten times, or those of any names a hundred times,
                from there.
        """
        with self._at() as at:
            row = at.execute(
                "SELECT id, password, salt, is_admin FROM users WHERE name = ?", (name,)
            ).fetchone()
        number, expected, salt, is_admin = row or (0, b"", b"nobody", 0)
        # Of this row: once the password is another, or the user gone, it proves nothing.
        proof = hmac.digest(self._secret, salt + expected + password.encode(), "sha256")
        if self._known.get(proof, 0.0) <= time.monotonic():
            self._limit(client, name)
            # Also for who is not there: how long it takes says nothing.
            right = hmac.compare_digest(_stretched(password, salt), expected) and row is not None
            self._limit(client, name, failed=not right)  # of others that were tried meanwhile, too
            if not right:
                raise Unauthenticated("the user name and the password do not belong together")
            with self._lock:
                if len(self._known) > 10_000:
                    self._known.clear()
                self._known[proof] = time.monotonic() + _REMEMBERED_FOR
        return Caller(number, name, bool(is_admin))

    def _limit(self, client: str, name: str, *, failed: bool = False) -> None:
        """Refuse whence too many wrong passwords came; if this one is wrong, count it."""
        with self._lock:
            since = time.monotonic() - _FORGOTTEN_AFTER
            if len(self._failures) > 10_000:
                self._failures = {of: at for of, at in self._failures.items() if at[-1] > since}
            for of, most in (((client, None), _MOST_OF_A_CLIENT), ((client, name), _MOST_FAILURES)):
                recent = [at for at in self._failures.get(of, ()) if at > since]
                if len(recent) >= most:
                    raise TooMany("too many wrong passwords; wait a minute")
                if failed:
                    self._failures[of] = [*recent, time.monotonic()]

    def by_token(self, token: str) -> Caller:
        """The user of a token.

        Raises:
            Unauthenticated: There is no such token.
        """
        with self._at() as at:
            row = at.execute(
                "SELECT user, name, is_admin, scope, experiments FROM tokens "
                "LEFT JOIN users ON users.id = tokens.user WHERE hash = ?",
                (_hash(token),),
            ).fetchone()
        if row is None:
            raise Unauthenticated("there is no such token")
        user, name, is_admin, scope, experiments = row
        only = None if experiments is None else frozenset(experiments.split())
        return Caller(user or 0, name or "", bool(is_admin), scope, only)

    def may(self, caller: Caller, right: Right, kind: str, key: str) -> bool:
        """Whether who asks may do this to an experiment or a registered model."""
        needed = _RANK[right]
        if caller.is_first or caller.scope < needed:
            return False
        if (
            kind == "experiment"
            and caller.experiments is not None
            and key not in caller.experiments
        ):
            return False
        if kind == "registered" and caller.experiments is not None:
            return False
        if caller.is_admin:
            return True
        with self._at() as at:
            row = at.execute(
                "SELECT permission FROM grants WHERE user = ? AND kind = ? AND key = ?",
                (caller.user, kind, key),
            ).fetchone()
        return row is not None and row[0] >= needed

    # -- users ---------------------------------------------------------------------------------

    def create_user(self, name: str, password: str, caller: Caller) -> dict[str, object]:
        """Make a user; the first one is an administrator, and voids the first token."""
        if not name.strip() or ":" in name or len(name) > 255:
            raise InvalidParameterValue("a user's name has 1 to 255 characters and no colon")
        salt = os.urandom(16)
        stretched = _stretched(_checked(password), salt)
        with self._at() as at:
            at.execute("BEGIN IMMEDIATE")
            if caller.is_first:
                gone = at.execute("DELETE FROM tokens WHERE user IS NULL").rowcount
                if not gone:
                    raise Unauthenticated("that token has served")
            try:
                at.execute(
                    "INSERT INTO users (name, password, salt, is_admin) VALUES (?, ?, ?, ?)",
                    (name, stretched, salt, int(caller.is_first)),
                )
            except sqlite3.IntegrityError as error:
                raise ResourceAlreadyExists(f"there is a user {name!r} already") from error
        return self.user(name)

    def user(self, name: str) -> dict[str, object]:
        """What is known of a user."""
        with self._at() as at:
            number, is_admin = self._number(at, name)
            grants = at.execute(
                "SELECT kind, key, permission FROM grants WHERE user = ? ORDER BY kind, key",
                (number,),
            ).fetchall()
        return {
            "id": number,
            "username": name,
            "is_admin": is_admin,
            "experiment_permissions": [
                {"experiment_id": key, "user_id": number, "permission": _name_of(permission)}
                for kind, key, permission in grants
                if kind == "experiment"
            ],
            "registered_model_permissions": [
                {"name": key, "user_id": number, "permission": _name_of(permission)}
                for kind, key, permission in grants
                if kind == "registered"
            ],
        }

    def change_user(
        self, name: str, *, password: str | None = None, is_admin: bool | None = None
    ) -> None:
        """Give a user another password or rank; what was known of the old ones is void."""
        with self._at() as at:
            number, _ = self._number(at, name)
            if password is not None:
                salt = os.urandom(16)
                at.execute(
                    "UPDATE users SET password = ?, salt = ? WHERE id = ?",
                    (_stretched(_checked(password), salt), salt, number),
                )
            if is_admin is not None:
                at.execute("UPDATE users SET is_admin = ? WHERE id = ?", (int(is_admin), number))

    def delete_user(self, name: str) -> None:
        """Remove a user with tokens and grants."""
        with self._at() as at:
            number, _ = self._number(at, name)
            at.execute("DELETE FROM users WHERE id = ?", (number,))

    def create_token(self, caller: Caller, right: Right, experiments: list[str] | None) -> str:
        """A token of the caller's, which allows at most this, in these experiments only."""
        if any(not key.strip() or " " in key for key in experiments or ()):
            raise InvalidParameterValue("experiments are named by their ids")
        if caller.experiments is not None and not caller.experiments.issuperset(
            experiments or ("*",)
        ):
            raise Denied("this token is for some experiments, and makes none for others")
        token = secrets.token_urlsafe(32)
        only = None if experiments is None else " ".join(experiments)
        with self._at() as at:
            at.execute(
                "INSERT INTO tokens VALUES (?, ?, ?, ?)",
                (_hash(token), caller.user, _RANK[right], only),
            )
        return token

    def users(self) -> list[dict[str, object]]:
        """All users, by name."""
        with self._at() as at:
            rows = at.execute("SELECT id, name, is_admin FROM users ORDER BY name").fetchall()
        return [{"id": of, "username": name, "is_admin": bool(admin)} for of, name, admin in rows]

    def tokens(self, name: str) -> list[dict[str, object]]:
        """What a user's tokens allow; an id names one, and is not the token."""
        with self._at() as at:
            number, _ = self._number(at, name)
            rows = at.execute(
                "SELECT hex(hash), scope, experiments FROM tokens WHERE user = ? ORDER BY rowid",
                (number,),
            ).fetchall()
        scopes = {rank: right for right, rank in _RANK.items()}
        return [
            {
                "token_id": digest[:_LENGTH_OF_ID].lower(),
                "scope": scopes[scope],
                "experiment_ids": None if only is None else only.split(),
            }
            for digest, scope, only in rows
        ]

    def revoke_token(self, name: str, token_id: str) -> None:
        """Void a token of a user's, at once."""
        with self._at() as at:
            number, _ = self._number(at, name)
            gone = at.execute(
                "DELETE FROM tokens WHERE user = ? AND lower(substr(hex(hash), 1, ?)) = ?",
                (number, _LENGTH_OF_ID, token_id),
            ).rowcount
        if not gone:
            raise ResourceDoesNotExist(f"{name!r} has no token {brief(token_id)}")

    # -- grants --------------------------------------------------------------------------------

    def grant(self, name: str, kind: str, key: str, permission: str) -> dict[str, object]:
        """Grant a permission, in the place of an earlier one."""
        if permission not in PERMISSIONS:
            raise InvalidParameterValue(
                f"{permission!r} is no permission; choose from {', '.join(PERMISSIONS)}"
            )
        with self._at() as at:
            number, _ = self._number(at, name)
            at.execute(
                "INSERT OR REPLACE INTO grants VALUES (?, ?, ?, ?)",
                (number, kind, key, PERMISSIONS[permission]),
            )
        return {"user_id": number, "permission": permission}

    def granted(self, name: str, kind: str, key: str) -> dict[str, object]:
        """What is granted to a user; nothing is ResourceDoesNotExist."""
        with self._at() as at:
            number, _ = self._number(at, name)
            row = at.execute(
                "SELECT permission FROM grants WHERE user = ? AND kind = ? AND key = ?",
                (number, kind, key),
            ).fetchone()
        if row is None:
            raise ResourceDoesNotExist(f"nothing is granted to {name!r} there")
        return {"user_id": number, "permission": _name_of(row[0])}

    def revoke(self, kind: str, key: str, name: str | None = None) -> None:
        """Take back what is granted to a user, or to all."""
        with self._at() as at:
            if name is None:
                at.execute("DELETE FROM grants WHERE kind = ? AND key = ?", (kind, key))
                return
            number, _ = self._number(at, name)
            at.execute(
                "DELETE FROM grants WHERE user = ? AND kind = ? AND key = ?", (number, kind, key)
            )

    def renamed(self, kind: str, key: str, new: str) -> None:
        """What is granted on something follows its name."""
        with self._at() as at:
            at.execute("DELETE FROM grants WHERE kind = ? AND key = ?", (kind, new))
            at.execute("UPDATE grants SET key = ? WHERE kind = ? AND key = ?", (new, kind, key))

    def _number(self, at: sqlite3.Connection, name: str) -> tuple[int, bool]:
        row = at.execute("SELECT id, is_admin FROM users WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise ResourceDoesNotExist(f"there is no user {name!r}")
        return row[0], bool(row[1])


def _checked(password: str) -> str:
    if len(password) < SHORTEST_PASSWORD:
        raise InvalidParameterValue(f"a password has at least {SHORTEST_PASSWORD} characters")
    return password


def _stretched(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=1 << 14, r=8, p=1)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _name_of(permission: int) -> str:
    return next(name for name, rank in PERMISSIONS.items() if rank == permission)
