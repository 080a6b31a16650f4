"""One joint per watched attribute, with any number of subscribers.

A joint is what stands in the attribute's place. Two integrations that watch the same function
share it, so neither displaces the other. It remembers the raw descriptor that it replaced, and
puts that very object back when the last subscriber leaves, if it still stands on top; under
someone else's wrapper it becomes a pass-through.
"""

from __future__ import annotations

import copy
import functools
import inspect
import pkgutil
import sys
from types import MethodType, ModuleType
from typing import TYPE_CHECKING, Any, cast

import wrapt

from tracklet.patching import weave
from tracklet.patching.call import Outcome, PatchError
from tracklet.patching.kept_state import captured
from tracklet.patching.rebinding import rebind
from tracklet.patching.suppression import is_suppressed
from tracklet.state import lock

if TYPE_CHECKING:
    from tracklet.patching.patch import Patch

_lock = lock()
_ABSENT: Any = object()


class WatchedFunction(wrapt.FunctionWrapper):
    """A transparent stand-in for a function, which hands its calls to a joint.

    Everything that is read from it (name, signature, code, source, flags, attributes) is the
    function's. Two things differ from wrapt's own wrapper: binding it gives an ordinary bound
    method, as a function does, so that bound methods pickle, copy and compare as usual; and looked
    up on its class it is itself, so that pickle and cloudpickle find it by its qualified name.
    """

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def __copy__(self) -> WatchedFunction:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> WatchedFunction:
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        module, name = self.__wrapped__.__module__, self.__wrapped__.__qualname__
        if _found(module, name) is self:
            return name
        # Kept from before the watch ended, or shadowed: the name is still the function's.
        return pkgutil.resolve_name, (f"{module}:{name}",)

    def __reduce__(self) -> Any:
        return self.__reduce_ex__(0)


class Joint:
    """The stand-in for one attribute of a class or module; see the module's text."""

    __slots__ = (
        "__weakref__",
        "bound",
        "inherited",
        "installed",
        "is_async",
        "name",
        "place",
        "raw",
        "subscribers",
    )

    def __init__(self, owner: Any, name: str) -> None:
        own = vars(owner).get(name, _ABSENT)
        self.inherited = own is _ABSENT
        self.name = name
        self.raw = inspect.getattr_static(owner, name, _ABSENT) if self.inherited else own
        label = getattr(owner, "__qualname__", None)
        module = owner.__module__ if label else getattr(owner, "__name__", "?")
        self.place = ".".join(filter(None, (module, label, name)))
        if self.raw is _ABSENT:
            raise PatchError(f"there is no {self.place} to watch")
        self.bound = isinstance(owner, type) and not isinstance(self.raw, staticmethod)
        self.is_async = False
        self.subscribers: tuple[Patch, ...] = ()
        self.installed = self._stand_in(owner)

    def __call__(
        self,
        original: Any,
        instance: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        """Called by :class:`WatchedFunction` for every call of the attribute.

        The original is called once, with advice around it. This is the one frame of ours that
        the traceback of the user's exception shows.
        """
        __tracebackhide__ = True
        # Read once: another thread may turn autologging off while this call runs, and whoever was
        # told of its beginning is told of its end.
        subscribers = self.subscribers
        if not subscribers or is_suppressed() or (self.bound and not args):
            return original(*args, **kwargs)
        watched = (self.place, subscribers, original, self.bound, args, kwargs)
        if self.is_async:
            return weave.await_watched(*watched)
        running: weave.Running = []
        # Before anything of ours is done, so that `recover` can put back all that it may change.
        states = captured()
        try:
            args, kwargs = weave.before(running, *watched)
            try:
                value = original(*args, **kwargs)
            except BaseException as error:
                weave.after(running, self.place, Outcome(error=error))
                raise
            weave.after(running, self.place, Outcome(value=value))
            return value
        except BaseException as error:
            weave.recover(running, self.place, states, error)
            raise

    def _stand_in(self, owner: Any) -> Any:
        raw = self.raw
        # The stand-in is of the raw attribute's kind (class method, property, …), because whoever
        # looks into `vars(owner)`, such as `inspect` or a subclass, has to find what was there.
        if self.inherited and isinstance(owner, type):
            return self._inherited_stand_in(owner)
        if isinstance(raw, classmethod | staticmethod):
            return type(raw)(self._watched(raw.__func__))
        if isinstance(raw, property):
            return self._property(raw)
        if callable(raw) and not isinstance(raw, type):
            return self._watched(raw)
        if hasattr(type(raw), "__get__") and callable(getattr(raw, "fn", None)):
            # A descriptor that delegates to a function under a condition: scikit-learn's
            # `available_if`. The condition stays in force, so hasattr keeps its meaning.
            stand_in = copy.copy(raw)
            stand_in.fn = self._watched(raw.fn)
            return stand_in
        raise PatchError(f"{self.place} is a {type(raw).__name__}, which cannot be watched")

    def _inherited_stand_in(self, owner: type) -> Any:
        """A stand-in on a class that only inherits the attribute.

        It looks the inherited attribute up at every call, so that what lies between in the
        method resolution order of a subclass is not jumped over.
        """
        raw, name = self.raw, self.name
        if isinstance(raw, classmethod):

            @functools.wraps(raw.__func__)
            def above(cls: type, /, *args: Any, **kwargs: Any) -> Any:
                return getattr(super(owner, cls), name)(*args, **kwargs)

            return classmethod(self._watched(above))
        if inspect.isfunction(raw) or isinstance(raw, WatchedFunction):

            @functools.wraps(raw)
            def inherited(instance: Any, /, *args: Any, **kwargs: Any) -> Any:
                return getattr(super(owner, instance), name)(*args, **kwargs)

            return self._watched(inherited)
        raise PatchError(
            f"{self.place} is an inherited {type(raw).__name__}; watch it on the class that "
            "defines it"
        )

    def _property(self, raw: property) -> property:
        if raw.fget is None:
            raise PatchError(f"{self.place} is a property without a getter")
        getter = raw.fget

        @functools.wraps(getter)
        def get(instance: Any) -> Any:
            value = getter(instance)
            if isinstance(value, MethodType):
                return MethodType(WatchedFunction(value.__func__, self), value.__self__)
            return value

        get._tracklet_joint = self  # type: ignore[attr-defined]
        return property(get, raw.fset, raw.fdel, raw.__doc__)

    def _watched(self, function: Any) -> WatchedFunction:
        self.is_async = inspect.iscoroutinefunction(function)
        return WatchedFunction(function, self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Joint:
        return self


def subscribe(owner: Any, name: str, subscriber: Patch) -> Joint:
    """Add a subscriber to the joint of an attribute, making one if there is none in its chain.

    Raises:
        PatchError: The attribute is missing, or cannot be watched or set.
    """
    with _lock:
        joint = find(owner, name)
        if joint is None:
            joint = Joint(owner, name)
            _set(owner, name, joint.installed, joint.place)
            if isinstance(owner, ModuleType):
                rebind(joint.raw, joint.installed)
        if subscriber not in joint.subscribers:
            # A new tuple, not a change of the old one, over which a call may be going on.
            everyone = (*joint.subscribers, subscriber)
            joint.subscribers = tuple(sorted(everyone, key=lambda each: -each.priority))
        return joint


def unsubscribe(owner: Any, joint: Joint, subscriber: Patch) -> None:
    """Take a subscriber away; the last one takes the joint along, if it stands on top."""
    with _lock:
        joint.subscribers = tuple(each for each in joint.subscribers if each is not subscriber)
        if joint.subscribers or owner is None:
            return
        if isinstance(owner, ModuleType):
            rebind(joint.installed, joint.raw)
        # Someone else may have wrapped the attribute since. To put the original back would take
        # their wrapper away; without subscribers the joint beneath it passes every call on.
        if vars(owner).get(joint.name) is joint.installed:
            if joint.inherited:
                _delete(owner, joint.name)
            else:
                _set(owner, joint.name, joint.raw, joint.place)


def find(owner: Any, name: str) -> Joint | None:
    """The joint in the chain of wrappers that an attribute holds now; None if there is none."""
    layer = vars(owner).get(name)
    for _ in range(64):  # a chain of wrappers that is longer, or a circle, is none that we follow
        if layer is None:
            return None
        joint = _joint_of(layer)
        # By name: a class may hold a watched function of another name under this one.
        if joint is not None and joint.name == name:
            return joint
        layer = _beneath(layer)
    return None


def _joint_of(layer: Any) -> Joint | None:
    if isinstance(layer, WatchedFunction):
        return cast(Joint, layer._self_wrapper)
    if isinstance(layer, property):
        return getattr(layer.fget, "_tracklet_joint", None)
    return None


def _beneath(layer: Any) -> Any:
    if isinstance(layer, property):
        return layer.fget
    if isinstance(layer, classmethod | staticmethod):
        return layer.__func__
    inner = getattr(layer, "fn", None)
    return inner if inner is not None else getattr(layer, "__wrapped__", None)


def _set(owner: Any, name: str, value: Any, place: str) -> None:
    try:
        # Past a `__setattr__` of the metaclass or of a module's class, which may do anything.
        if isinstance(owner, type):
            type.__setattr__(owner, name, value)
        elif isinstance(owner, ModuleType):
            ModuleType.__setattr__(owner, name, value)
        else:
            setattr(owner, name, value)
    except (TypeError, AttributeError) as error:
        raise PatchError(f"{place} cannot be watched: {error}") from error


def _delete(owner: Any, name: str) -> None:
    if isinstance(owner, type):
        type.__delattr__(owner, name)
    else:
        delattr(owner, name)


def _found(module: str, qualified_name: str) -> Any:
    found: Any = sys.modules.get(module)
    for part in qualified_name.split("."):
        found = getattr(found, part, None)
    return found
