"""Who may run code by being loaded.

Unpickling a file, importing what an ``MLmodel`` names or a model's own modules, and running its
Python file all execute what the model's author chose. Each of these asks :func:`permit` first, and
a model that this user wrote (:mod:`tracklet.models.manifest`) has the permission. Any other needs
``trust=True`` in the call, or ``TRACKLET_TRUST``: ``true``, or folders whose models are trusted,
separated as in ``PATH``. Formats without code never ask.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final, TypeAlias

from tracklet import plugins
from tracklet.errors import InvalidParameterValue, TrackletException
from tracklet.frozen import Frozen
from tracklet.models import manifest
from tracklet.models.manifest import SHOWN, ChangedModel

Trust: TypeAlias = bool | Sequence[str] | None
"""True: run what the model holds. A list: types that skops may load from it. False: trust only own
models, whatever the environment says. None: as the environment says."""

_VARIABLE: Final = "TRACKLET_TRUST"


class UntrustedModel(TrackletException):
    """Loading the model would run code, and nothing says that its author is trusted."""

    code = "PERMISSION_DENIED"


class Grant(Frozen):
    """What one model may do while it is loaded.

    Args:
        own: Whether this user wrote it.
        trusted: Whether the caller trusts its author.
        types: Types that the caller lets skops load.
        listed: The files that its manifest lists; None while it is being saved.
        python: The version of Python that it was saved under, if that is known.
    """

    folder: Path
    own: bool
    trusted: bool
    types: Sequence[str] = ()
    listed: frozenset[str] | None = None
    python: str | None = None

    def permit(self, act: str, file: Path | None = None) -> None:
        """Let the model run code.

        Args:
            act: What is about to happen, in words, such as ``"unpickle model.pkl"``.
            file: The file or folder that it happens to.

        Raises:
            UntrustedModel: The model is neither this user's own nor trusted.
            ChangedModel: The model is this user's own, and the file is none that was signed.
        """
        if self.is_known(file):
            return
        acts = what_would_run(self.folder)
        if not any(one.startswith(act) for one in acts):
            acts.insert(0, act)
        more = f"\n  … and {len(acts) - SHOWN} more" if len(acts) > SHOWN else ""
        listed = "".join(f"\n  - {one}" for one in acts[:SHOWN])
        raise UntrustedModel(
            f"the model in {self.folder} was not written by you on this machine, and loading it "
            f"runs code of its author's. It would{listed}{more}\nIf you trust the author, load it "
            f"with trust=True, set {_VARIABLE}=true (or to folders that you trust), or run "
            f"`tracklet models trust {self.folder}` once"
        )

    def is_known(self, file: Path | None = None) -> bool:
        """Whether the model is this user's own or trusted.

        Raises:
            ChangedModel: It is this user's own, and the file is none that was signed.
        """
        if self.own and not self.trusted:
            added = [] if self.listed is None else manifest.added(self.folder, self.listed, file)
            if added:
                raise _changed(self.folder, added)
        return self.own or self.trusted

    def config(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """A flavor's entry with the types that skops may load: the caller's, for foreign models."""
        recorded = config.get("skops_trusted_types")
        if self.own or self.trusted:
            types = [*(recorded or ()), *self.types]
        else:
            types = list(self.types)
        if "skops_trusted_types" not in config and not types:
            return dict(config)
        return {**config, "skops_trusted_types": types or None}


_grant: ContextVar[Grant | None] = ContextVar("tracklet_model_trust", default=None)


@contextmanager
def loading(folder: Path, trust: Trust = None, python: Any = None) -> Iterator[Grant]:
    """Load a model inside the block; what it may do is decided once, here.

    A model that is loaded by another's code has the trust that its caller gave to that one.

    Args:
        folder: The model's folder.
        trust: What the caller says of its author.
        python: The version of Python that the model was saved under.

    Raises:
        ChangedModel: Its manifest lists other files than are there, and it is not trusted; or
            there are links among them.
        InvalidParameterValue: ``trust`` is neither yes, no, nor a list of types.
    """
    types: Sequence[str] = ()
    if isinstance(trust, list | tuple | set | frozenset):
        types, given = [str(name) for name in trust], None
    elif trust is None or isinstance(trust, bool):
        given = trust
    else:
        raise InvalidParameterValue(
            f"trust must be True, False, None or a list of types for skops; got {trust!r}"
        )
    outer = _grant.get()
    if given is None:
        given = (outer is not None and outer.trusted) or _trusted_by_environment(folder)
    finding = manifest.examine(folder)
    if finding.changed and not given:
        raise _changed(folder, finding.changed)
    python = None if python is None else str(python)
    grant = Grant(folder, finding.own, given, types, finding.listed, python)
    token = _grant.set(grant)
    try:
        yield grant
    finally:
        _grant.reset(token)


@contextmanager
def saving(folder: Path) -> Iterator[None]:
    """Save a model inside the block: what is loaded again from there is the caller's own."""
    token = _grant.set(Grant(folder, own=True, trusted=False))
    try:
        yield
    finally:
        _grant.reset(token)


def permit(act: str, file: Path | None = None) -> None:
    """Ask whether code may run now.

    Args:
        act: What is about to happen, in words.
        file: The file that it happens to; where no model is being loaded, the model's folder is
            looked for above it.

    Raises:
        UntrustedModel: The model is neither this user's own nor trusted.
        ChangedModel: Its files are not those of its manifest.
    """
    grant = _grant.get()
    if grant is not None:
        grant.permit(act, file)
        return
    folder = None if file is None else _folder_of(file)
    if folder is not None:
        with loading(folder) as found:
            found.permit(act, file)
    elif not _trusted_by_environment((file or Path()).parent):
        raise UntrustedModel(
            f"{act}: nothing says that what is run there can be trusted, for it is in no model's "
            f"folder; load it as part of a model, or set {_VARIABLE}=true"
        )


def is_known(file: Path) -> bool:
    """Whether the model that a file belongs to is this user's own or trusted.

    Raises:
        ChangedModel: Its files are not those of its manifest.
    """
    grant = _grant.get()
    if grant is not None:
        return grant.is_known(file)
    folder = _folder_of(file)
    if folder is None:
        return _trusted_by_environment(file.parent)
    with loading(folder) as found:
        return found.is_known(file)


def _changed(folder: Path, names: Sequence[str]) -> ChangedModel:
    return ChangedModel(
        f"the model in {folder} is corrupt or was changed after it was saved: "
        f"{manifest.some(names)} {'is' if len(names) == 1 else 'are'} not as its manifest says. "
        "If the change is yours, load it with trust=True, or run `tracklet models trust "
        f"{folder}` once; if not, fetch the model again"
    )


def _folder_of(file: Path) -> Path | None:
    return next((at for at in file.absolute().parents if (at / "MLmodel").is_file()), None)


def _trusted_by_environment(folder: Path) -> bool:
    # Not by settings.option: a pyproject.toml that came with foreign files must not decide.
    value = os.environ.get(_VARIABLE, "").strip()
    if value.lower() in ("true", "1", "yes", "on"):
        return True
    if not value or value.lower() in ("false", "0", "no", "off"):
        return False
    place = folder.resolve()
    return any(
        place.is_relative_to(Path(os.path.expanduser(part)).resolve())
        for part in value.split(os.pathsep)
        if part
    )


def python_of_model() -> str | None:
    """The version of Python that the model which is being loaded was saved under, if known."""
    grant = _grant.get()
    return None if grant is None else grant.python


def class_named(name: str, allowed: Collection[str], file: Path) -> Any:
    """The class that an ``MLmodel`` names.

    Args:
        name: Its import path.
        allowed: The classes that need no trust.
        file: A file of the model.

    Raises:
        UntrustedModel: It is none of these, and the model is neither this user's own nor trusted.
        TrackletException: It cannot be imported.
    """
    if name not in allowed:
        permit(f"import {name}", file)
    module, _, attribute = name.rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise TrackletException(
            f"the model's class {name!r} cannot be imported ({error}); install what the model's "
            "requirements.txt lists, or give its module with code_paths"
        ) from error


def what_would_run(folder: Path) -> list[str]:
    """What loading a model executes, one line each: imports, code, pickles with what they name."""
    from tracklet.models import pickled_names

    acts = _imports(folder) if (folder / "MLmodel").is_file() else []
    for name in manifest.files(folder):
        path = folder / name
        if path.is_symlink() or not path.is_file():
            continue
        if path.suffix in manifest.MODULES:
            verb = "import" if name.startswith("code/") else "run"
            acts.append(f"{verb} {name}")
        elif path.suffix == ".pt2" or path.name == "model.h5":
            acts.append(f"run the program {name}")
        elif path.name == "saved_model.pb":
            acts.append(f"run the program {name.rpartition('/')[0]}")
        elif pickled_names.is_pickle(path):
            names = pickled_names.of_file(path)
            also = f", which names {', '.join(names)}" if names else ""
            acts.append(f"unpickle {name}{also}")
    return acts


def _imports(folder: Path) -> list[str]:
    """What the ``MLmodel`` has imported beside the classes of installed flavors."""
    from tracklet.models.flavor import flavor, flavor_of_loader
    from tracklet.models.model import Model

    acts = []
    for name, entry in Model.load(folder).flavors.items():
        if not isinstance(entry, Mapping):
            continue
        loader = str(entry.get("loader_module") or "")
        if loader and flavor_of_loader(loader) is None:
            acts.append(f"import the loader {loader}")
        if name in plugins.entry_points("flavors"):
            named = flavor(name).imports
            acts += [
                f"import {entry[key]}"
                for key, allowed in named.items()
                if entry.get(key) and entry[key] not in allowed
            ]
    return acts


def refuse_ways_out(folder: Path) -> None:
    """Refuse a model of which something is not in its folder.

    Raises:
        ChangedModel: There are links in it.
        TrackletException: Its ``MLmodel`` names a path that leads out.
    """
    from tracklet.models.model import Model

    manifest.refuse_links(folder, manifest.files(folder))
    for path in Model.load(folder).paths():
        manifest.member(folder, path)
