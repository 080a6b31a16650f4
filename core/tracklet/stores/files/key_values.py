"""Files of params and tags: the key is the path below the folder, the text is the content.

A tag is replaced by renaming. A param is set once: a new file is linked to its name, which fails
when another process was first, so that of two different values one writer gets an error.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from tracklet.errors import InvalidParameterValue
from tracklet.record import rules
from tracklet.stores import disk


def encoded(values: Mapping[str, str]) -> dict[str, bytes]:
    """The bytes of checked texts."""
    return {key: value.encode() for key, value in values.items()}


def check_free(
    kind: str, folder: str | None, keys: Iterable[str], known: Iterable[str] = ()
) -> None:
    """Refuse keys of which one would be both a file and a folder.

    Args:
        kind: What the keys are of, for the message.
        folder: The folder of all such keys; None if there is nothing in it yet.
        keys: Keys to be written.
        known: Keys that are written already, so need no look at the disk.
    """
    wanted = set(keys)
    written = set(known)
    for key in sorted(wanted):
        above = key
        while "/" in above:
            above = above.rpartition("/")[0]
            there = above in wanted or above in written
            if there or (folder is not None and os.path.isfile(f"{folder}/{above}")):
                raise _conflict(kind, key, above)
        if folder is not None and key not in written and os.path.isdir(f"{folder}/{key}"):
            raise _conflict(kind, key, f"{key}/…")


def put_tags(kind: str, folder: str, tags: Mapping[str, bytes], staging: str) -> None:
    """Set tags, replacing earlier values; every one is replaced whole."""
    check_free(kind, folder, tags)
    for key, data in tags.items():
        try:
            disk.publish(f"{folder}/{key}", data, staging)
        except (NotADirectoryError, IsADirectoryError, FileExistsError) as error:
            raise _conflict(kind, key, str(error.filename or "")) from error


def check_params(
    kind: str, folder: str, params: Mapping[str, bytes], owner: str
) -> dict[str, bytes]:
    """The params that are new; one that holds another value already is refused."""
    check_free(kind, folder, params)
    new: dict[str, bytes] = {}
    for key, data in params.items():
        old = disk.read_if_there(f"{folder}/{key}")
        if old is None:
            new[key] = data
        elif old != data:
            raise _changed(kind, key, owner, old, data)
    return new


def put_params(
    kind: str, folder: str, params: Mapping[str, bytes], staging: str, owner: str
) -> None:
    """Set params that must be new or hold these values already; all of them or none.

    Args:
        kind: What the keys are of, for the message.
        folder: The folder of all params.
        params: Checked keys and encoded values.
        staging: A folder on the same file system in which no reader looks.
        owner: Whose params these are, for the message, as ``"run 4f2a…"``.

    Raises:
        InvalidParameterValue: A key holds another value, or cannot be a file.
    """
    new = check_params(kind, folder, params, owner)
    staged: dict[str, str] = {}
    linked: list[str] = []
    try:
        for key, data in new.items():
            staged[key] = disk.stage(staging, data)
        for key, path in staged.items():
            final = f"{folder}/{key}"
            try:
                created = disk.publish_once(path, final)
                old = None if created else disk.read_bytes(final)
            except (NotADirectoryError, IsADirectoryError, FileExistsError) as error:
                raise _conflict(kind, key, str(error.filename or "")) from error
            if created:
                linked.append(final)
            elif old is not None and old != new[key]:
                raise _changed(kind, key, owner, old, new[key])
            else:
                disk.discard(path)
    except BaseException:
        for path in (*staged.values(), *linked):
            disk.discard(path)
        raise


def discard(folder: str, key: str) -> bool:
    """Remove a text if it is there, and say whether it was."""
    path = f"{folder}/{key}"
    try:
        disk.unlink(path)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError) as error:
        if isinstance(error, PermissionError) and not os.path.isdir(path):
            raise
        return False
    parent = os.path.dirname(path)
    while len(parent) > len(folder):  # or the key 'a' could not be set after 'a/b'
        try:
            disk.rmdir(parent)
        except OSError:
            break
        parent = os.path.dirname(parent)
    return True


def _conflict(kind: str, key: str, other: str) -> InvalidParameterValue:
    return InvalidParameterValue(
        f"{kind} {key!r} cannot be stored beside {other!r}: a key is a file, and its parts before "
        "'/' are folders, so one key cannot be the beginning of another; rename one of them"
    )


def _changed(kind: str, key: str, owner: str, old: bytes, new: bytes) -> InvalidParameterValue:
    held, given = (data.decode("utf-8", "replace") for data in (old, new))
    return rules.changed(kind, key, owner, held, given)
