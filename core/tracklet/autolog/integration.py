"""The base class of integrations: how one framework's training is watched."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, ClassVar

from tracklet.errors import InvalidParameterValue
from tracklet.patching import Patch


class CommonOptions:
    """What the core reads of every integration's options, without saying in which order.

    They are no dataclass fields here, because those would come before all others: a class whose
    options are also taken by position derives from this one and declares them where they belong,
    with ``disable: InitVar[bool] = False`` among them (:func:`tracklet.autolog.switch`). All others
    derive from :class:`Options`.
    """

    exclusive: bool = False
    disable_for_unsupported_versions: bool = False
    silent: bool = False
    extra_tags: Mapping[str, Any] | None = None

    def __post_init__(self, disable: bool = False) -> None:
        if self.extra_tags is None:
            return
        if not isinstance(self.extra_tags, Mapping):
            raise InvalidParameterValue(
                f"Invalid `extra_tags` type: expecting dictionary, received {self.extra_tags!r}"
            )
        reserved = "mlflow.autologging"
        copied = {str(key): value for key, value in self.extra_tags.items() if key != reserved}
        object.__setattr__(self, "extra_tags", copied)

    def check_choice(self, name: str, choices: Sequence[str]) -> None:
        """Refuse an option that is none of its choices.

        Raises:
            InvalidParameterValue: It is none of them.
        """
        value = getattr(self, name)
        if value not in choices:
            raise InvalidParameterValue(f"{name}={value!r} is none of {', '.join(choices)}")


@dataclass(frozen=True, kw_only=True)
class Options(CommonOptions):
    """What every integration can be told. An integration derives a frozen dataclass with more.

    Args:
        exclusive: Record only into runs that autologging started, never into the user's.
        disable_for_unsupported_versions: Accepted for compatibility; a framework whose version
            ``requires`` excludes is always declined, with one line in the log.
        silent: Say nothing in the log, neither of events nor of contained faults.
        extra_tags: Further tags for the runs that autologging starts. They are copied.

    Raises:
        InvalidParameterValue: ``extra_tags`` is no mapping.
    """

    exclusive: bool = False
    disable_for_unsupported_versions: bool = False
    silent: bool = False
    extra_tags: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """What an integration records under its options, and what it leaves out and why."""

    records: tuple[str, ...] = ()
    omits: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LatePatches:
    """Patches that can be named only when their module is there.

    Args:
        module: The dotted name of the module; it is not imported by this.
        make: Gives the patches for the imported module.
    """

    module: str
    make: Callable[[ModuleType], Iterable[Patch]]


class Integration(ABC):
    """Watches how a framework trains.

    An integration only declares; the core owns import hooks, versions, idempotence, errors and
    undoing. One instance is made each time that it becomes active.
    """

    name: ClassVar[str]
    """The same as its entry point, and as the name that users know from ``mlflow.<name>``."""

    modules: ClassVar[tuple[str, ...]]
    """Importing any of these makes it active."""

    requires: ClassVar[str] = ""
    """The framework's distribution and versions, such as ``"scikit-learn>=1.3"``."""

    Options: ClassVar[type[Any]] = Options
    """A frozen dataclass derived from :class:`Options`; its fields are the keyword arguments of
    ``tracklet.<name>.autolog``."""

    def __init__(self, options: Any, add: Callable[[Patch], None] | None = None) -> None:
        self.options = options
        self._add = add

    def continue_from(self, earlier: Integration) -> None:  # noqa: B027 (most remember nothing)
        """Take over what the instance before remembers of the user's objects.

        Called before :meth:`patches`, when the integration was configured anew: a model that was
        fitted before still belongs to its run.

        Args:
            earlier: The instance that was active last, of the same class.
        """

    @abstractmethod
    def patches(self, framework: ModuleType, options: Any) -> Iterable[Patch | LatePatches]:
        """What to watch.

        A patch whose module was not imported yet is applied when it is; one whose target does
        not exist in this version of the framework is left out, and ``plan()`` says so.

        Args:
            framework: The module out of ``modules`` that was imported.
            options: An instance of :attr:`Options`.
        """

    def explain(self, options: Any) -> Explanation:
        """What is recorded under these options, for ``tracklet.autolog.plan()``."""
        return Explanation()

    def watch(self, patch: Patch) -> None:
        """Add a patch later on, for a class that came into being after ``patches`` was asked.

        It is reverted with the others.
        """
        if self._add is not None:
            self._add(patch)
