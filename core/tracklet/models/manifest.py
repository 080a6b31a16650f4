"""The manifest of a model's folder: the hash of each file, signed with the user's own key.

A folder whose manifest carries this user's signature, and whose files are those that it lists, was
written by this user: it may hold pickles and code without anyone asking. The key lies in the
user's configuration folder and never leaves this machine; whoever copies the folder elsewhere
finds an unsigned one there.

A model is what lies in its folder. A link in it, to a file or a folder, is never followed: what it
leads to can be swapped at any time.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import secrets
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from tracklet import settings
from tracklet.errors import InvalidParameterValue, TrackletException
from tracklet.frozen import Frozen
from tracklet.repositories import beneath
from tracklet.state import ProcessState
from tracklet.stores import disk

FILE_NAME: Final = "tracklet.manifest.json"
KEY_NAME: Final = "signing.key"

# Nothing of these is executed when a model is loaded; people edit them by hand.
_FREE: Final = frozenset(
    (
        FILE_NAME,
        "conda.yaml",
        "constraints.txt",
        "input_example.json",
        "python_env.yaml",
        "registered_model_meta",
        "requirements.txt",
        "serving_input_example.json",
    )
)
MODULES: Final = (".py", ".pyc", ".pyd", ".so")
"""How the names of files end that Python imports."""
SHOWN: Final = 8
"""How many things an error names."""

_KEY_BYTES: Final = 32
_BYTECODE: Final = "__pycache__"

_logger = logging.getLogger(__name__)


class _Keys(ProcessState):
    """The user's keys that were read, by their paths."""

    def begin(self) -> None:
        self.read: dict[Path, bytes] = {}


_keys = _Keys()


class ChangedModel(TrackletException):
    """What is in a model's folder is not what its manifest lists, or is no file of its own."""

    code = "DATA_LOSS"


class Finding(Frozen):
    """What a look at a folder found.

    Args:
        own: Whether this user's signature is on the manifest and nothing changed since.
        changed: Files that are not as the manifest says: other content, missing, or added.
        listed: The files that the manifest lists.
    """

    own: bool
    changed: tuple[str, ...] = ()
    listed: frozenset[str] = frozenset()


def sign(folder: Path) -> None:
    """Write the manifest of a folder, in place of an old one.

    Raises:
        ChangedModel: There are links in the folder.
    """
    names = [*files(folder)]
    refuse_links(folder, names)
    hashes = {
        name: digest(f"{folder}/{name}")
        for name in names
        if name not in _FREE and not _is_bytecode(name)
    }
    document = {"files": hashes, "signature": _signature(hashes), "version": 1}
    text = json.dumps(document, indent=1, sort_keys=True)
    disk.publish(f"{folder}/{FILE_NAME}", text.encode(), os.fspath(folder))


def examine(folder: Path) -> Finding:
    """Compare a folder with its manifest, if it has one; every file is read.

    Raises:
        ChangedModel: There are links in the folder.
    """
    present = [*files(folder)]
    refuse_links(folder, present)
    try:
        document = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
        hashes = document["files"]
        signature = document["signature"]
    except FileNotFoundError:
        return Finding(False)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return Finding(False, (FILE_NAME,))
    if not isinstance(hashes, dict) or not all(isinstance(known, str) for known in hashes.values()):
        return Finding(False, (FILE_NAME,))
    own = hmac.compare_digest(_signature(hashes).encode(), str(signature).encode(errors="replace"))
    listed = {name for name in hashes if name not in _FREE}
    # Only what lies in the folder is opened: a foreign manifest may name anything.
    changed = [*listed.difference(present)]
    changed += [n for n in listed.intersection(present) if _differs(folder / n, hashes[n])]
    folders = {name.partition("/")[0] for name in hashes if "/" in name}
    for name in present:
        # Beside the listed files of the top level, nothing would be looked at.
        if name not in hashes and name.partition("/")[0] in folders:
            if own and _is_bytecode(name) and _removed(folder / name):
                continue
            changed.append(name)
    return Finding(own and not changed, tuple(sorted(changed)), frozenset(listed))


def files(folder: Path) -> Iterator[str]:
    """The names of all that is in a folder and is no folder itself, links too."""
    for place, folders, names in os.walk(folder):
        names += (name for name in folders if os.path.islink(f"{place}/{name}"))
        folders.sort()
        below = place.removeprefix(os.fspath(folder)).replace(os.sep, "/").strip("/")
        yield from (f"{below}/{name}" if below else name for name in sorted(names))


def member(folder: Path, named: Any) -> Path:
    """The file or folder of a model that its ``MLmodel`` names; it need not be there.

    Every path of an ``MLmodel`` is read by this.

    Args:
        folder: The model's folder.
        named: The path, relative to it.

    Raises:
        TrackletException: The path leads out of the folder, or over a link.
    """
    text = str(named).replace("\\", "/")  # written on Windows
    try:
        found = beneath(folder, text)
    except InvalidParameterValue as error:
        raise TrackletException(
            f"the model in {folder} names {text!r}, which is no file of its own: {error.message}"
        ) from error
    if found == folder:
        raise TrackletException(f"the model in {folder} names {text!r}, which is all of it")
    return found


def added(folder: Path, listed: Collection[str], place: Path | None) -> list[str]:
    """What of a file or of all below a folder the manifest does not list.

    Args:
        folder: The model's folder.
        listed: The files that its manifest lists.
        place: What lies in it; of anything else nothing is said.
    """
    if place is None or not place.is_relative_to(folder):
        return []
    below = [place / name for name in files(place)] if place.is_dir() else [place]
    names = [path.relative_to(folder).as_posix() for path in below]
    return [name for name in names if name not in listed and not _is_bytecode(name)]


def refuse_links(folder: Path, names: Iterable[str]) -> None:
    """Refuse a model in whose folder there are links.

    Raises:
        ChangedModel: There are.
    """
    links = [name for name in names if os.path.islink(f"{folder}/{name}")]
    if links:
        raise ChangedModel(
            f"the model in {folder} is not all there: {some(links)} "
            f"{'is a link' if len(links) == 1 else 'are links'}, which are not followed, since "
            "what they lead to can be swapped at any time. Fetch the model again, or make it "
            "whole with `cp -rL` and look at it before you load it"
        )


def some(names: Sequence[str]) -> str:
    """The first of the names, as an error shows them."""
    return ", ".join(names[:SHOWN]) + (" …" if len(names) > SHOWN else "")


def _is_bytecode(name: str) -> bool:
    return f"/{_BYTECODE}/" in name


def _differs(path: Path, known: str) -> bool:
    try:
        return not path.is_file() or digest(path) != known
    except OSError:
        return True


def _removed(bytecode: Path) -> bool:
    """Bytecode beside the model's own modules is made anew; what lies there could be anyone's."""
    try:
        bytecode.unlink(missing_ok=True)
    except OSError:
        return False
    return True


def digest(path: Path | str) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _signature(hashes: dict[str, Any]) -> str:
    # The word keeps a signature of ours from meaning anything elsewhere.
    text = "tracklet model manifest 1\n" + json.dumps(hashes, sort_keys=True)
    return hmac.new(_key(), text.encode(), hashlib.sha256).hexdigest()


def _key() -> bytes:
    """The user's key; made when it is first needed."""
    path = _config_dir() / KEY_NAME
    known = _keys.read.get(path)
    if known is None:
        try:
            known = _stored_key(path)
        except OSError as error:
            known = secrets.token_bytes(_KEY_BYTES)
            _logger.warning(
                "%s cannot hold the key that marks your own models (%s): those of this process "
                "will need trust=True in others. Set TRACKLET_CONFIG_DIR to a folder that can be "
                "written",
                path.parent,
                error.strerror or error,
            )
        _keys.read[path] = known
    return known


def _config_dir() -> Path:
    # Not by settings.config_dir: a pyproject.toml that came with foreign files could name a folder
    # with a key that its author knows.
    configured = os.environ.get("TRACKLET_CONFIG_DIR")
    if configured:
        return Path(configured).absolute()
    return Path(settings.user_folder("config"))


def _stored_key(path: Path) -> bytes:
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        found = _new_key(path)
    if os.name == "posix":
        status = path.stat()
        if status.st_uid not in (os.geteuid(), 0) or status.st_mode & 0o077:
            raise OSError(f"{path} must belong to you and be closed to others: chmod 600")
    if len(found) != _KEY_BYTES:
        raise OSError(f"{path} is no key: it has {len(found)} bytes instead of {_KEY_BYTES}")
    return found


def _new_key(path: Path) -> bytes:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(secrets.token_bytes(_KEY_BYTES))
        try:
            os.link(partial, path)  # of two processes one is first, and both use its key
        except FileExistsError:
            pass
        except OSError:  # a file system without hard links
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path.read_bytes()
