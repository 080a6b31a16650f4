"""Where the record is kept, and every other option, by one precedence.

An argument beats ``TRACKLET_<NAME>``, which beats ``MLFLOW_<NAME>``, which beats
``[tool.tracklet]`` in the working directory's ``pyproject.toml``, which beats the default.
Environment variables are read. What the process chooses by a call is written into its own
``TRACKLET_`` ones too, for child processes, and taken out again when it is forgotten.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Final, Literal

from tracklet import lazy
from tracklet.state import ProcessState, remembered

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_FOLDER: Final = "mlruns"

_FOLDERS: Final = {"cache": "~/.cache", "config": "~/.config", "data": "~/.local/share"}

_logger = lazy.logger(__name__)


class _Chosen(ProcessState):
    """Where the record is kept, if the process said so, and what was read of ``pyproject.toml``."""

    def begin(self) -> None:
        self.tracking_uri: str | None = None
        self.registry_uri: str | None = None
        self.pyproject: dict[str, dict[str, Any]] = {}
        # What was written for child processes, by variable: what was there, what is there.
        self.handed_down: dict[str, tuple[str | None, str]] = {}

    def forget(self) -> None:
        for variable in list(self.handed_down):
            _take_back(variable)
        self.begin()


_chosen = _Chosen()


def option(name: str) -> str | None:
    """The value of an option by the precedence above; None if nothing sets it.

    Args:
        name: In upper case without a prefix, such as ``"TRACKING_URI"``. In ``pyproject.toml``
            the key is in lower case with dashes: ``tracking-uri``.
    """
    for prefix in ("TRACKLET_", "MLFLOW_"):
        value = os.environ.get(prefix + name)
        if value:
            return value
    value = _from_pyproject().get(name.lower().replace("_", "-"))
    return None if value is None else str(value)


def flag(name: str, default: bool = False) -> bool:
    """A yes-or-no option; ``true``, ``1``, ``yes`` and ``on`` say yes, in any case."""
    value = option(name)
    return default if value is None else value.strip().lower() in ("true", "1", "yes", "on")


def strict() -> bool:
    """Whether faults inside tracklet's own hooks are raised instead of contained (for tests)."""
    return flag("STRICT") or flag("AUTOLOGGING_TESTING")


def hand_down(name: str, value: str | None) -> None:
    """Have child processes, however they are started, find an option as this process chose it.

    Args:
        name: The option.
        value: What was chosen; None takes it back.
    """
    variable = f"TRACKLET_{name}"
    _take_back(variable)
    if value is not None:
        _chosen.handed_down[variable] = os.environ.get(variable), value
        os.environ[variable] = value


def _take_back(variable: str) -> None:
    before, ours = _chosen.handed_down.pop(variable, (None, None))
    if ours is None or os.environ.get(variable) != ours:  # somebody else wrote it since
        return
    if before is None:
        del os.environ[variable]
    else:
        os.environ[variable] = before


def enable_async_logging(enable: bool = True) -> None:
    """Say whether logging calls answer with something to wait for, which raises their errors."""
    hand_down("ENABLE_ASYNC_LOGGING", str(bool(enable)).lower())


def set_tracking_uri(uri: str | Path | None) -> None:
    """Say where the record is kept, for this process and its children; None or "" forgets it.

    Args:
        uri: A folder, ``file:``, ``sqlite:///…``, ``postgresql://…`` or ``http(s)://…``. A
            relative path is relative to the working directory of now, not of later.
    """
    _chosen.tracking_uri = given_uri(uri)
    hand_down("TRACKING_URI", _chosen.tracking_uri)


def set_registry_uri(uri: str | Path | None) -> None:
    """Say where registered models are kept, if not with the rest of the record; "" forgets it."""
    _chosen.registry_uri = given_uri(uri)
    hand_down("REGISTRY_URI", _chosen.registry_uri)


def given_uri(uri: str | Path | None) -> str | None:
    """A place that a caller names, independent of the working directory; None for none or ""."""
    if not uri:
        return None
    if not isinstance(uri, str | os.PathLike):
        from tracklet.errors import InvalidArgument

        raise InvalidArgument(f"a place of the record is a path or URI; got {uri!r}")
    return absolute_uri(os.fspath(uri))


def tracking_uri() -> str:
    """Where the record is kept, as an absolute path or URI."""
    if _chosen.tracking_uri is not None:
        return _chosen.tracking_uri
    configured = option("TRACKING_URI")
    return absolute_uri(configured) if configured else absolute_uri(DEFAULT_FOLDER)


def registry_uri() -> str:
    """Where registered models are kept; by default with the rest of the record."""
    if _chosen.registry_uri is not None:
        return _chosen.registry_uri
    configured = option("REGISTRY_URI")
    return absolute_uri(configured) if configured else tracking_uri()


def is_tracking_uri_set() -> bool:
    """Whether the place of the record was chosen, rather than left to the default."""
    return _chosen.tracking_uri is not None or option("TRACKING_URI") is not None


def absolute_uri(uri: str) -> str:
    """The same place, independent of the working directory."""
    scheme = uri.partition(":")[0].lower() if ":" in uri else ""
    if scheme == "file":
        return uri
    if scheme == "sqlite" and uri.startswith("sqlite:///") and not uri.startswith("sqlite:////"):
        path = uri.removeprefix("sqlite:///")
        if path in ("", ":memory:") or os.path.isabs(path):
            return uri
        return f"sqlite:///{os.path.join(_working_directory(), path)}"
    if "://" in uri or scheme in ("databricks", "uc"):
        return uri
    if uri.startswith("~"):
        given, uri = uri, os.path.expanduser(uri)
        if uri == given:
            from tracklet.errors import InvalidParameterValue

            raise InvalidParameterValue(
                f"{given!r} begins with a home directory that cannot be found; set HOME, or give "
                "an absolute path"
            )
    return os.path.normpath(os.path.join(_working_directory(), uri))


def local_path(uri: str) -> Path | None:
    """The folder or file that a plain path or ``file:`` URI names; None for other schemes."""
    from pathlib import Path  # with it come urllib and ipaddress: no run and no search needs them

    path = path_of(uri)
    return None if path is None else Path(path)


def path_of(uri: str) -> str | None:
    """The path that a plain path or ``file:`` URI names, as it is written there.

    None for other schemes, and for a ``file:`` URI that names another host or is no mere path.
    """
    scheme, colon, _ = uri.partition(":")
    if not colon:
        return uri
    if scheme.lower() == "file":
        from urllib.parse import unquote, urlsplit

        parts = urlsplit(uri)
        foreign = parts.netloc.lower() not in ("", "localhost") or parts.query or parts.fragment
        return None if foreign else unquote(parts.path)
    # One letter is a drive, and what is no scheme belongs to a path.
    is_scheme = len(scheme) > 1 and scheme.replace("-", "").replace("+", "").isalnum()
    return None if is_scheme or "://" in uri else uri


def cache_dir() -> Path:
    """The folder of what can be made again (the index); ``TRACKLET_CACHE_DIR`` overrides."""
    from pathlib import Path

    return Path(option("CACHE_DIR") or user_folder("cache"))


def config_dir() -> Path:
    """The folder of the user's own configuration; ``TRACKLET_CONFIG_DIR`` overrides."""
    from pathlib import Path

    return Path(option("CONFIG_DIR") or user_folder("config"))


def user_folder(kind: Literal["cache", "config", "data"]) -> str:
    """Where the system keeps such files of this user; without a home, a temporary place."""
    try:
        if sys.platform == "linux":  # as platformdirs does it, but for its import
            chosen = os.environ.get(f"XDG_{kind.upper()}_HOME", "").strip()
            folder = os.path.join(chosen or os.path.expanduser(_FOLDERS[kind]), "tracklet")
        else:
            import platformdirs

            folder = getattr(platformdirs, f"user_{kind}_dir")("tracklet", appauthor=False)
    except RuntimeError:  # there is no home: a container, a service, a uid without an entry
        folder = ""
    return folder if os.path.isabs(folder) else os.path.join(_place_without_home(), kind)


@remembered
def _place_without_home() -> str:
    place = _temporary_place()
    _logger.warning(
        "this user has no home directory; the search index and the key that marks your own models "
        "are kept in %s. Set HOME, or TRACKLET_CACHE_DIR and TRACKLET_CONFIG_DIR",
        place,
    )
    return place


@remembered
def _temporary_place() -> str:
    """A folder for temporary files that is this user's alone, the same for all processes."""
    import stat
    import tempfile

    place = os.path.join(tempfile.gettempdir(), f"tracklet-{getattr(os, 'getuid', str)()}")
    try:
        os.makedirs(place, mode=0o700, exist_ok=True)
        status = os.lstat(place)
        if os.name != "posix" or (
            stat.S_ISDIR(status.st_mode)
            and status.st_uid == os.getuid()
            and not stat.S_IMODE(status.st_mode) & 0o077
        ):
            return place
    except OSError:
        pass  # as when somebody else has it, who may look at what we put there, or change it
    return tempfile.mkdtemp(prefix="tracklet-")


def _working_directory() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:
        fallback = _temporary_place()
        _logger.warning(
            "the working directory was deleted; records go to %s. Set TRACKLET_TRACKING_URI to "
            "choose another place",
            fallback,
        )
        return fallback


def _from_pyproject() -> dict[str, Any]:
    try:
        folder = os.getcwd()
    except FileNotFoundError:
        return {}
    read = _chosen.pyproject
    if folder not in read:
        read[folder] = _read_pyproject(os.path.join(folder, "pyproject.toml"))
    return read[folder]


def _read_pyproject(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError:
        return {}
    if b"[tool.tracklet" not in content:
        return {}
    import tomllib

    try:
        return tomllib.loads(content.decode()).get("tool", {}).get("tracklet", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        _logger.warning("%s is not read: %s", path, error)
        return {}
