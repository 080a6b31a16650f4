"""The classes that derive from one."""

from __future__ import annotations

from collections.abc import Iterator


def existing_classes(base: type) -> Iterator[type]:
    """The class and all its subclasses that exist now, each once."""
    seen = {base}
    waiting = [base]
    while waiting:
        cls = waiting.pop()
        yield cls
        for each in type.__subclasses__(cls):
            if each not in seen:
                seen.add(each)
                waiting.append(each)
