"""Which integrations are on, with which options, and how they come on and go off.

Enabling an integration registers import hooks for its framework and no more; nothing is imported.
When the framework is there, its version is checked and its patches are applied. The options in
force are those of the last call that succeeded. An integration whose distribution says what it
waits for (the entry points ``tracklet.watches``) is itself imported only when that is there.
"""

from __future__ import annotations

import logging
import re
import sys
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from types import ModuleType
from typing import Any, Final, Literal

from tracklet import patching, plugins, settings
from tracklet.autolog import budget, session
from tracklet.autolog.integration import CommonOptions, Integration, LatePatches, Options
from tracklet.errors import InvalidParameterValue, PluginError, TrackletException
from tracklet.state import ProcessState, lock

Origin = Literal["generic", "explicit"]
State = Literal["waiting", "active", "declined", "broken", "disabled"]

GROUP: Final = "integrations"

_NAME: Final = re.compile(r"[\w.-]+")
_AT_LEAST: Final = re.compile(r"[\w.-]+\s*>=\s*([\w.]+)")

logger = logging.getLogger("tracklet.autolog")


@dataclass(slots=True, eq=False)
class Enabled:
    """One integration as it was last configured.

    As long as one ``asked`` for by the generic call waits to be loaded, it has no ``plugin``, and
    its ``options`` are only those that all integrations have.
    """

    name: str
    plugin: type[Integration] | None
    options: CommonOptions
    origin: Origin
    state: State = "waiting"
    reason: str = ""
    version: str = ""
    framework: ModuleType | None = None
    integration: Integration | None = None
    hooks: list[patching.ImportHook] = field(default_factory=list)
    # Weak, because a patch lives as long as its target: patched classes may be collected.
    patches: weakref.WeakSet[patching.Patch] = field(default_factory=weakref.WeakSet)
    skipped: dict[str, str] = field(default_factory=dict)
    skipping_was_said: bool = False
    asked: Mapping[str, Any] | None = None


class _Configured(ProcessState):
    """The integrations by name, and what is to be done to them under the lock."""

    lock = lock()

    def begin(self) -> None:
        self.entries: dict[str, Enabled] = {}
        self.pending: deque[Callable[[], None]] = deque()
        self.stop_listening: Callable[[], None] | None = None

    def forget(self) -> None:
        """Put back what was replaced, once all that was recorded in the background is done."""
        from tracklet.autolog import background

        with suppress(Exception):
            background.flush()
        with _exclusively():
            for each in self.entries.values():
                _retire(each)
            if self.stop_listening is not None:
                self.stop_listening()
            self.begin()


_configured = _Configured()


def enable(
    name: str, *, disable: bool = False, origin: Origin = "explicit", **options: Any
) -> None:
    """Configure one integration; what ``tracklet.<name>.autolog`` calls.

    Args:
        name: The integration.
        disable: Put everything back as it was, instead.
        origin: Whether the generic call asks; see :func:`tracklet.autolog`.
        **options: Fields of the integration's ``Options``.

    Raises:
        PluginError: There is no such integration, or it cannot be loaded.
        InvalidParameterValue: An option is unknown or its value breaks a rule. What was
            configured before stays in force.
    """
    plugin: type[Integration] = plugins.load(GROUP, name, Integration)
    entry = Enabled(name, plugin, _options(plugin, options), origin)
    with _exclusively():
        _replace(entry)
        if disable:
            entry.state = "disabled"
        else:
            _wait(entry, plugin.modules)


def enable_known(name: str, asked: Mapping[str, Any]) -> None:
    """Configure one integration for the generic call, by those options that it has.

    Where its distribution says which modules it waits for, and none of them is there yet, it is
    not loaded before one is. Options that it refuses are refused only then, by a line in the log.

    Args:
        name: The integration.
        asked: Options of the generic call.
    """
    modules = plugins.watched(name)
    if not modules or any(module in sys.modules for module in modules):
        plugin: type[Integration] = plugins.load(GROUP, name, Integration)
        enable(name, origin="generic", **_known(plugin, asked))
        return
    common = {key: asked[key] for key in asked if hasattr(CommonOptions, key)}
    entry = Enabled(name, None, Options(**common), "generic", asked=asked)
    with _exclusively():
        _replace(entry)
        _wait(entry, modules)


def turn_off(name: str, origin: Origin) -> None:
    """Turn one integration off, whether it is on or not, and without loading its plugin."""
    with _exclusively():
        earlier = _configured.entries.get(name)
        entry = Enabled(name, None, Options(), origin, state="disabled")
        if earlier is not None:
            entry.plugin, entry.options = earlier.plugin, earlier.options
        _replace(entry)


def mark_broken(name: str, reason: str) -> None:
    """Remember that an integration cannot be used, and why."""
    with _exclusively():
        _replace(Enabled(name, None, Options(), "generic", state="broken", reason=reason))


def entry(name: str) -> Enabled | None:
    """How an integration was last configured; None if it never was."""
    return _configured.entries.get(name)


def loaded_entry(name: str) -> Enabled | None:
    """The same, and its plugin is loaded if it waited to be."""
    found = _configured.entries.get(name)
    if found is not None:
        _import(found)
        with _exclusively():
            _load(found)
    return found


def autologging_is_disabled(name: str) -> bool:
    """Whether an integration records nothing here and now; also if it was never configured."""
    found = entry(name)
    if found is None or found.state not in ("active", "waiting"):
        return True
    return session.is_all_muted() or session.is_muted(name)


def configured() -> tuple[str, ...]:
    """The names of the integrations that a call has configured, in whichever way."""
    return tuple(_configured.entries)


def _replace(entry: Enabled) -> None:
    earlier = _configured.entries.get(entry.name)
    if earlier is not None:
        _retire(earlier)
        entry.integration = earlier.integration
    _configured.entries[entry.name] = entry


def _wait(entry: Enabled, modules: Iterable[str]) -> None:
    _listen()
    patching.watch_in_this_process()
    for module in modules:
        if entry.state == "waiting":
            entry.reason = f"for {' or '.join(modules)}"
        entry.hooks.append(patching.when_imported(module, _activation(entry), entry.name))


def _known(plugin: type[Integration], asked: Mapping[str, Any]) -> dict[str, Any]:
    names = {each.name for each in fields(plugin.Options)}
    return {key: value for key, value in asked.items() if key in names}


def _import(entry: Enabled) -> None:
    """Import the plugin before :func:`_load` asks for it: nothing is imported under the lock."""
    with suppress(PluginError):  # `_load` says it
        plugins.load(GROUP, entry.name)


def _load(entry: Enabled) -> None:
    """Load the plugin of an entry that waits to be loaded; if it cannot be used, say so."""
    if entry.asked is None or entry.plugin is not None or entry.state != "waiting":
        return
    try:
        plugin: type[Integration] = plugins.load(GROUP, entry.name, Integration)
        entry.options = _options(plugin, _known(plugin, entry.asked))
    except TrackletException as error:
        entry.state, entry.reason = "broken", error.message
        _say(entry, logging.WARNING, "%s", error)
    else:
        entry.plugin = plugin


def _options(plugin: type[Integration], given: Mapping[str, Any]) -> CommonOptions:
    known = {each.name for each in fields(plugin.Options)}
    unknown = sorted(set(given) - known)
    if unknown:
        raise InvalidParameterValue(
            f"{plugin.name}.autolog has no option {', '.join(map(repr, unknown))}; it has "
            f"{', '.join(sorted(known))}"
        )
    return plugin.Options(**given)


@contextmanager
def _exclusively() -> Iterator[None]:
    try:
        with _configured.lock:
            yield
    finally:
        _drain()


def _soon(work: Callable[[], None]) -> None:
    """Do this under the lock, without ever waiting for it.

    An import hook holds the import lock of its module. If it waited for ours while its holder
    waits for that import, both would wait forever; so the holder does the work instead.
    """
    _configured.pending.append(work)
    _drain()


def _drain() -> None:
    while _configured.pending:
        if not _configured.lock.acquire(blocking=False):
            return
        try:
            # Here, because nobody needs it before something is watched.
            from tracklet.patching.rebinding import together

            with together():
                while _configured.pending:
                    _configured.pending.popleft()()
        finally:
            _configured.lock.release()


def _listen() -> None:
    if _configured.stop_listening is None:
        patching.strict_when(settings.strict)
        _configured.stop_listening = patching.on_fault(_count)


def _count(error: Exception, place: str, label: str) -> bool:
    """Count a fault on the run that it happened in; True if nothing is to be said of it."""
    is_new = True
    charged = budget.charged_one()
    current = session.current()
    if charged is not None:
        is_new = charged.count_fault(error, place)
    elif current is not None and current.recorder is not None:
        is_new = current.recorder.count_fault(error, place)
    entry = _configured.entries.get(label)
    return not is_new or (entry is not None and entry.options.silent)


def _activation(entry: Enabled) -> Callable[[ModuleType], None]:
    def activate(module: ModuleType) -> None:
        _import(entry)
        _soon(lambda: _activate(entry, module))

    return activate


def _activate(entry: Enabled, framework: ModuleType) -> None:
    if _configured.entries.get(entry.name) is not entry:
        return  # configured anew in the meantime
    _load(entry)
    if entry.plugin is None:
        return
    if entry.state == "active" and entry.framework is framework:
        _reapply(entry)
        return
    entry.version = _installed_version(entry.plugin, framework)
    unsupported = _unsupported(entry.plugin, entry.version)
    if unsupported:
        entry.state, entry.reason = "declined", unsupported
        _say(entry, logging.WARNING, "autologging of %s is off: it %s", entry.name, unsupported)
        return
    entry.framework = framework
    try:
        _apply_all(entry, framework)
    except Exception as error:  # noqa: BLE001 (a broken integration is a state, not an accident)
        _revert(entry)
        entry.state, entry.reason = "broken", f"{type(error).__name__}: {error}"
        entry.framework = None
        patching.report(error, f"the integration {entry.name!r}", entry.name)
        return
    entry.state, entry.reason = "active", ""
    _say(entry, logging.INFO, "autologging of %s %s is on", entry.name, entry.version)
    _say_what_is_skipped(entry)


def _apply_all(entry: Enabled, framework: ModuleType) -> None:
    assert entry.plugin is not None
    integration = entry.plugin(entry.options, lambda patch: _apply_later(entry, patch))
    earlier = entry.integration
    if earlier is not None and type(earlier) is type(integration):
        integration.continue_from(earlier)
    entry.integration = integration
    entry.skipped.clear()
    waiting = 0
    for patch in integration.patches(framework, entry.options):
        if isinstance(patch, patching.Patch):
            patch.label = entry.name
            if patch.owner is not None or patch.module in sys.modules:
                _apply(entry, patch)
                continue
            patch = LatePatches(patch.module, lambda _, late=patch: (late,))
        waiting += 1
        entry.hooks.append(
            patching.when_imported(patch.module, _deferred(entry, patch), label=entry.name)
        )
    if entry.skipped and not entry.patches and not waiting:
        reason = next(iter(entry.skipped.values()))
        raise patching.PatchError(
            f"nothing of it can be watched; first of {len(entry.skipped)}: {reason}"
        )


def _say_what_is_skipped(entry: Enabled) -> None:
    """One line for all that this version of the framework lacks; ``plan()`` has the details."""
    if entry.state != "active" or not entry.skipped or entry.skipping_was_said:
        return
    entry.skipping_was_said = True
    first, *others = entry.skipped
    _say(
        entry,
        logging.INFO,
        "%s %s has no %s%s, which would be watched; see tracklet.autolog.plan()",
        entry.name,
        entry.version,
        first,
        f", nor {len(others)} more" if others else "",
    )


def _apply(entry: Enabled, patch: patching.Patch) -> None:
    try:
        patch.apply()
    except patching.PatchError as error:
        # This version of the framework lacks the target; the others are watched all the same.
        entry.skipped[patch.place] = error.message
        logger.debug("%s: %s", entry.name, error)
    else:
        entry.patches.add(patch)


def _deferred(entry: Enabled, late: LatePatches) -> Callable[[ModuleType], None]:
    def activate(module: ModuleType) -> None:
        for patch in late.make(module):
            _apply_later(entry, patch)

    return activate


def _apply_later(entry: Enabled, patch: patching.Patch) -> None:
    patch.label = entry.name

    def work() -> None:
        if _configured.entries.get(entry.name) is entry and entry.state in ("active", "waiting"):
            _apply(entry, patch)
            _say_what_is_skipped(entry)

    _soon(work)


def _reapply(entry: Enabled) -> None:
    """After a reload of the framework its functions are new ones."""
    for patch in tuple(entry.patches):
        with suppress(patching.PatchError):
            patch.apply()


def _retire(entry: Enabled) -> None:
    for hook in entry.hooks:
        hook.cancel()
    entry.hooks.clear()
    _revert(entry)
    entry.framework = None


def _revert(entry: Enabled) -> None:
    if not entry.patches:
        return
    from tracklet.patching.rebinding import together

    with together():
        for patch in tuple(entry.patches):
            try:
                patch.revert()
            except Exception as error:  # noqa: BLE001 (the others are taken back all the same)
                patching.report(error, f"taking back {patch.place}", entry.name)
    entry.patches.clear()


def _say(entry: Enabled, level: int, message: str, *args: object) -> None:
    if not entry.options.silent:
        logger.log(level, message, *args)


def _installed_version(plugin: type[Integration], framework: ModuleType) -> str:
    """The framework's version: what it says itself, or else its distribution's."""
    version = getattr(framework, "__version__", None)
    if isinstance(version, str) and version:
        return version
    if not plugin.requires:
        return ""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as distribution_version

    try:
        return distribution_version(_distribution(plugin.requires))
    except PackageNotFoundError:
        return ""


def _unsupported(plugin: type[Integration], version: str) -> str:
    """Why this version is declined; empty if it is not, or if nothing can be said."""
    if not plugin.requires or not version:
        return ""
    from packaging.version import InvalidVersion

    try:
        if _includes(plugin.requires, version):
            return ""
    except InvalidVersion:
        return ""
    return f"needs {plugin.requires}, and {_distribution(plugin.requires)} {version} is installed"


def _distribution(requires: str) -> str:
    found = _NAME.match(requires)
    return found[0] if found else requires


def _includes(requires: str, version: str) -> bool:
    """Whether a requirement includes a version; a nightly build is tried rather than declined."""
    from packaging.version import Version

    at_least = _AT_LEAST.fullmatch(requires)
    if at_least is not None:
        # The usual form; to import what reads every form would take 1 % of scikit-learn's import.
        return Version(version) >= Version(at_least[1])
    from packaging.requirements import Requirement

    return Requirement(requires).specifier.contains(version, prereleases=True)
