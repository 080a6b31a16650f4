"""Who may run code by being loaded.

Unpickling a file, importing a model's own modules and running its Python file all execute what
the model's author wrote. Each of these asks :func:`permit` first, and a model that this user wrote
(:mod:`tracklet.models.manifest`) has the permission. Any other needs ``trust=True`` in the call, or
``TRACKLET_TRUST``: ``true``, or folders whose models are trusted, separated as in ``PATH``.
Formats without code never ask.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final, TypeAlias

from tracklet.errors import InvalidParameterValue, TrackletException
from tracklet.frozen import Frozen
from tracklet.models import manifest

Trust: TypeAlias = bool | Sequence[str] | None
"""True: run what the model holds. A list: types that skops may load from it. False: trust only own
models, whatever the environment says. None: as the environment says."""

_VARIABLE: Final = "TRACKLET_TRUST"
_SHOWN: Final = 8


class UntrustedModel(TrackletException):
    """Loading the model would run code, and nothing says that its author is trusted."""

    code = "PERMISSION_DENIED"


class ChangedModel(TrackletException):
    """Files of the model are not those that its manifest lists."""

    code = "DATA_LOSS"


class Grant(Frozen):
    """What one model may do while it is loaded.

    Args:
        folder: Its folder.
        own: Whether this user wrote it.
        trusted: Whether the caller trusts its author.
        types: Types that the caller lets skops load.
    """

    folder: Path
    own: bool
    trusted: bool
    types: Sequence[str] = ()

    def permit(self, act: str) -> None:
        """Let the model run code.

        Args:
            act: What is about to happen, in words, such as ``"unpickle model.pkl"``.

        Raises:
            UntrustedModel: The model is neither this user's own nor trusted.
        """
        if self.own or self.trusted:
            return
        acts = what_would_run(self.folder)
        if not any(one.startswith(act) for one in acts):
            acts.insert(0, act)
        more = f"\n  … and {len(acts) - _SHOWN} more" if len(acts) > _SHOWN else ""
        listed = "".join(f"\n  - {one}" for one in acts[:_SHOWN])
        raise UntrustedModel(
            f"the model in {self.folder} was not written by you on this machine, and loading it "
            f"runs code of its author's. It would{listed}{more}\nIf you trust the author, load it "
            f"with trust=True, set {_VARIABLE}=true (or to folders that you trust), or run "
            f"`tracklet models trust {self.folder}` once"
        )

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
def loading(folder: Path, trust: Trust = None) -> Iterator[Grant]:
    """Load a model inside the block; what it may do is decided once, here.

    A model that is loaded by another's code has the trust that its caller gave to that one.

    Raises:
        ChangedModel: Its manifest lists other files than are there, and it is not trusted.
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
        shown = ", ".join(finding.changed[:_SHOWN])
        raise ChangedModel(
            f"the model in {folder} is corrupt or was changed after it was saved: {shown} "
            f"{'is' if len(finding.changed) == 1 else 'are'} not as its manifest says. If the "
            "change is yours, load it with trust=True, or run `tracklet models trust "
            f"{folder}` once; if not, fetch the model again"
        )
    grant = Grant(folder, finding.own, given, types)
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
        grant.permit(act)
        return
    folder = None if file is None else _folder_of(file)
    if folder is not None:
        with loading(folder) as found:
            found.permit(act)
    elif not _trusted_by_environment((file or Path()).parent):
        raise UntrustedModel(
            f"{act}: nothing says that what is run there can be trusted, for it is in no model's "
            f"folder; load it as part of a model, or set {_VARIABLE}=true"
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
        place.is_relative_to(Path(part).expanduser().resolve())
        for part in value.split(os.pathsep)
        if part
    )


def what_would_run(folder: Path) -> list[str]:
    """What loading a model executes, one line each: pickles with what they name, and code."""
    from tracklet.models import pickled_names

    acts = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        shown = path.relative_to(folder).as_posix()
        if path.suffix == ".py":
            verb = "import" if shown.startswith("code/") else "run"
            acts.append(f"{verb} {shown}")
        elif pickled_names.is_pickle(path):
            names = pickled_names.of_file(path)
            also = f", which names {', '.join(names)}" if names else ""
            acts.append(f"unpickle {shown}{also}")
    return acts
