"""The registry of plugins: what is installed, what may be used, and why something may not.

Integrations, flavors, stores, artifact repositories, run contexts and commands are found by
their entry points; tracklet's own are registered the same way as anyone else's. Nothing is read
before the first question, nothing is imported before it is asked for by name, and a plugin that
fails does so alone: the rest stays usable, and :func:`describe` says what is wrong with it.

A name belongs to one distribution. Where two claim it, neither gets it
(docs/decisions/0001-plugin-names.md).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from importlib.machinery import PathFinder
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from tracklet import lazy
from tracklet.errors import MissingDependency, PluginError
from tracklet.frozen import Frozen
from tracklet.state import ProcessState

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

Group = Literal["integrations", "flavors", "stores", "artifacts", "run_context", "commands"]
State = Literal["active", "waiting", "declined", "broken"]

GROUPS: Final[tuple[Group, ...]] = get_args(Group)

# What a loaded object must have. The base classes live in higher layers, which pass them to
# `load`; these names are what the registry itself and its callers rely on.
_MEMBERS: Final[Mapping[str, tuple[str, ...]]] = {
    "integrations": ("name", "modules", "requires", "patches"),
    "flavors": ("name", "requires", "owns", "save", "load"),
    "stores": (),
    "artifacts": (),
    "run_context": ("in_context", "tags"),
    "commands": ("callback", "invoke", "params"),  # what a click.Command has, and its class has not
}
_SINGULAR: Final[Mapping[str, str]] = {
    "integrations": "integration",
    "flavors": "flavor",
    "stores": "store",
    "artifacts": "artifact repository",
    "run_context": "run context",
    "commands": "command",
}

_logger = lazy.logger(__name__)


class PluginInfo(Frozen):
    """One registered plugin and whether it can be used here.

    ``state`` is ``active`` (it loads, and what it needs is installed), ``waiting`` (for a library
    that is not installed: its framework, or that of an extra), ``declined`` (that library has a
    version that it does not support) or ``broken`` (it does not load, or its name is claimed
    twice); ``reason`` says why, and is empty for an active plugin.
    """

    group: str
    name: str
    target: str
    distribution: str
    version: str
    state: State
    reason: str = ""


class _Registry(Frozen):
    """What the installed metadata says, per group; ``conflicts`` holds the refused names."""

    unique: Mapping[str, Mapping[str, EntryPoint]]
    conflicts: Mapping[str, Mapping[str, tuple[EntryPoint, ...]]]
    watched: Mapping[str, tuple[str, ...]]


class _Known(ProcessState):
    """What was read of the metadata, and loaded."""

    def begin(self) -> None:
        self.registry: _Registry | None = None
        self.loaded: dict[tuple[str, str], Any] = {}
        self.mentioned: dict[str, bool] = {}


_known = _Known()


def entry_points(group: Group) -> Mapping[str, EntryPoint]:
    """The usable entry points of a group, by name, in alphabetical order; nothing is imported.

    A name that two distributions claim is left out, with a warning in the log.
    """
    return _read().unique[_checked(group)]


def may_have(group: Group) -> bool:
    """Whether :func:`entry_points` may answer with anything; False is certain.

    It looks for the group's name in the metadata files on the path, which takes a millisecond;
    reading them properly takes twenty, and every training process asks for run contexts.
    """
    registry = _known.registry
    if registry is not None:
        return bool(registry.unique[_checked(group)] or registry.conflicts[group])
    if _checked(group) not in _known.mentioned:
        _known.mentioned[group] = _is_mentioned(group)
    return _known.mentioned[group]


def conflicts(group: Group) -> frozenset[str]:
    """The names in a group that are refused because two distributions claim them."""
    return frozenset(_read().conflicts[_checked(group)])


def watched(integration: str) -> tuple[str, ...]:
    """The modules that an integration waits for, as its distribution says without importing it.

    Each is an entry point ``<module> = <integration>`` in the group ``tracklet.watches``. Empty if
    nothing is said: then the integration itself has to be asked.
    """
    return _read().watched.get(integration, ())


def load(group: Group, name: str, base: type | None = None) -> Any:
    """Import a plugin and return the object that its entry point names.

    Args:
        group: One of :data:`GROUPS`.
        name: The plugin's name, or the URI scheme of a store or an artifact repository.
        base: The class that the plugin must derive from.

    Raises:
        PluginError: There is no such plugin, two distributions claim the name, or it cannot be
            imported or is not what the group asks for. The message says what to do.
    """
    key = (_checked(group), name)
    if key not in _known.loaded:
        registry = _read()
        rivals = registry.conflicts[group].get(name)
        if rivals:
            raise PluginError(_conflict(group, name, rivals))
        entry = registry.unique[group].get(name)
        if entry is None:
            raise PluginError(_unknown(group, name, registry.unique[group]))
        _known.loaded[key] = _import(group, entry)
    plugin = _known.loaded[key]
    if base is not None and not (isinstance(plugin, type) and issubclass(plugin, base)):
        entry = _read().unique[group][name]
        raise PluginError(
            f"{_title(group, entry)} is {plugin!r}, but must be a class derived from "
            f"{base.__module__}.{base.__qualname__}: {_way_out(entry)}"
        )
    return plugin


def describe() -> list[PluginInfo]:
    """All registered plugins with their state. Imports the plugins, but no framework."""
    registry = _read()
    found = []
    for group in GROUPS:
        entries = [(entry, ()) for entry in registry.unique[group].values()]
        entries += [
            (entry, rivals) for rivals in registry.conflicts[group].values() for entry in rivals
        ]
        for entry, rivals in sorted(entries, key=lambda pair: pair[0].name):
            state, reason = (
                ("broken", _conflict(group, entry.name, rivals)) if rivals else _state(group, entry)
            )
            distribution, version = _origin(entry)
            found.append(
                PluginInfo(group, entry.name, entry.value, distribution, version, state, reason)
            )
    return found


def _is_mentioned(group: str) -> bool:
    if any(hasattr(f, "find_distributions") and f is not PathFinder for f in sys.meta_path):
        return True  # distributions may come from elsewhere than folders
    wanted = f"[tracklet.{group}]".encode()
    return any(
        wanted in content for folder in sys.path for content in _entry_point_files(folder, group)
    )


def _entry_point_files(folder: str, group: str) -> Iterator[bytes]:
    try:
        names = os.listdir(folder or ".")
    except OSError:
        if os.path.isfile(folder):
            yield f"[tracklet.{group}]".encode()  # perhaps; the proper reader looks into it
        return
    for name in names:
        if name.endswith((".dist-info", ".egg-info")):
            try:
                with open(os.path.join(folder, name, "entry_points.txt"), "rb") as file:
                    yield file.read()
            except OSError:
                continue


def _checked(group: str) -> str:
    if group not in _MEMBERS:
        raise PluginError(f"{group!r} is no group of plugins; choose from {', '.join(GROUPS)}")
    return group


def _read() -> _Registry:
    if _known.registry is not None:
        return _known.registry
    # Imported here because it costs 10 ms, which `import tracklet` need not pay.
    from importlib.metadata import entry_points as installed

    everything = installed()
    unique: dict[str, Mapping[str, EntryPoint]] = {}
    conflicts: dict[str, Mapping[str, tuple[EntryPoint, ...]]] = {}
    for group in GROUPS:
        claims: dict[str, list[EntryPoint]] = {}
        for entry in everything.select(group=f"tracklet.{group}"):
            rivals = claims.setdefault(entry.name, [])
            if all(entry.value != other.value for other in rivals):
                rivals.append(entry)
        unique[group] = MappingProxyType(
            {name: claims[name][0] for name in sorted(claims) if len(claims[name]) == 1}
        )
        conflicts[group] = {
            name: tuple(rivals) for name, rivals in claims.items() if len(rivals) > 1
        }
        for name, rivals in conflicts[group].items():
            _logger.warning("%s", _conflict(group, name, rivals))
    watched: dict[str, tuple[str, ...]] = {}
    for entry in everything.select(group="tracklet.watches"):
        watched[entry.value] = (*watched.get(entry.value, ()), entry.name)
    _known.registry = _Registry(unique, conflicts, watched)
    return _known.registry


def _import(group: str, entry: EntryPoint) -> Any:
    """The object of an entry point, checked; every way to fail becomes a PluginError."""
    try:
        plugin = entry.load()
    except ModuleNotFoundError as error:
        raise PluginError(
            f"{_title(group, entry)} needs the module {error.name!r}, which is not there: "
            f"install what brings it, or {_way_out(entry)}"
        ) from error
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"{_title(group, entry)} fails when it is imported, with "
            f"{type(error).__name__}: {error}; {_way_out(entry)}"
        ) from error
    if group not in ("run_context", "commands") and not callable(plugin):
        raise PluginError(
            f"{_title(group, entry)} is {plugin!r}, but must be a class: {_way_out(entry)}"
        )
    missing = [member for member in _MEMBERS[group] if not hasattr(plugin, member)]
    if missing:
        raise PluginError(
            f"{_title(group, entry)} is {plugin!r}, which lacks {', '.join(missing)} and so is no "
            f"{_SINGULAR[group]}: {_way_out(entry)}"
        )
    name = getattr(plugin, "name", None)
    if "name" in _MEMBERS[group] and name != entry.name:
        raise PluginError(
            f"{_title(group, entry)} calls itself {name!r}; the name of the entry point and of "
            f"the class must be the same: {_way_out(entry)}"
        )
    return plugin


def _state(group: Group, entry: EntryPoint) -> tuple[State, str]:
    try:
        plugin = load(group, entry.name)
    except PluginError as error:
        if isinstance(error.__cause__, MissingDependency):
            return "waiting", error.__cause__.message
        return "broken", error.message
    requires = getattr(plugin, "requires", "")
    if not requires:
        return "active", ""
    # Imported here because only those who ask for the state pay for it.
    from importlib.metadata import PackageNotFoundError, version
    from importlib.util import find_spec

    from packaging.requirements import InvalidRequirement, Requirement

    try:
        requirement = Requirement(requires)
    except (InvalidRequirement, TypeError) as error:
        return "broken", f"its requirement {requires!r} is malformed: {error}"
    try:
        installed = version(requirement.name)
    except PackageNotFoundError:
        # A framework may come in a distribution of another name, or without metadata.
        modules = getattr(plugin, "modules", ()) or (requirement.name.replace("-", "_"),)
        if find_spec(str(modules[0]).partition(".")[0] or "_") is not None:
            return "active", ""
        return "waiting", f"{requirement.name} is not installed"
    if requirement.specifier.contains(installed, prereleases=True):
        return "active", ""
    return "declined", f"needs {requires}, but {requirement.name} {installed} is installed"


def _origin(entry: EntryPoint) -> tuple[str, str]:
    """The name and version of the distribution that registered an entry point."""
    return (entry.dist.name, entry.dist.version) if entry.dist is not None else ("unknown", "")


def _title(group: str, entry: EntryPoint) -> str:
    origin = " ".join(_origin(entry)).strip()
    return f"the {_SINGULAR[group]} {entry.name!r} of {origin} ({entry.value})"


def _way_out(entry: EntryPoint) -> str:
    distribution, _ = _origin(entry)
    return f"tell the authors of {distribution}, or run pip uninstall {distribution}"


def _conflict(group: str, name: str, rivals: tuple[EntryPoint, ...]) -> str:
    claims = [f"{' '.join(_origin(entry)).strip()} ({entry.value})" for entry in rivals]
    names = sorted({_origin(entry)[0] for entry in rivals})
    return (
        f"the {_SINGULAR[group]} {name!r} is claimed by {' and by '.join(claims)}; a name belongs "
        f"to one distribution, so neither is used: uninstall one of {', '.join(names)}"
    )


def _unknown(group: str, name: str, known: Mapping[str, EntryPoint]) -> str:
    # Imported here because only the way to an error needs it.
    from difflib import get_close_matches

    close = get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return (
        f"there is no {_SINGULAR[group]} named {name!r}; {hint}installed: "
        f"{', '.join(known) or 'none'} (`tracklet plugins` shows more)"
    )
