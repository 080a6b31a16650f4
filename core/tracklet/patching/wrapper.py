"""The object that takes the place of a watched function."""

from __future__ import annotations

import pkgutil
import sys
from types import MethodType
from typing import Any

import wrapt


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


def _found(module: str, qualified_name: str) -> Any:
    found: Any = sys.modules.get(module)
    for part in qualified_name.split("."):
        found = getattr(found, part, None)
    return found
