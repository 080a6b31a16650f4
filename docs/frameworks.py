"""Write docs/frameworks.md, from what the plugins say of themselves.

python docs/frameworks.py
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from tracklet import plugins
from tracklet.autolog import Integration
from tracklet.models import flavor

PAGE = Path(__file__).with_suffix(".md")

HEAD = """# Frameworks

Which frameworks are watched, which models are kept, and what each takes. This page is written by
[frameworks.py](frameworks.py) from what the plugins say; `tracklet.autolog.plan()` says it of the
options that you have set.
"""

# Options that every integration has.
COMMON = ("exclusive", "disable_for_unsupported_versions", "silent", "extra_tags")


def page() -> str:
    """The page, as the installed plugins of tracklet's own make it."""
    lines = [HEAD, *_table(), *_integrations(), *_flavors()]
    return "\n".join(lines).replace("<", "\\<").rstrip() + "\n"


def _own(kind: str, home: str) -> list[str]:
    found = plugins.entry_points(kind)
    return [name for name in sorted(found) if found[name].value.startswith(home)]


def _table() -> Iterator[str]:
    integrations = _own("integrations", "tracklet_integrations.")
    flavors = _own("flavors", "tracklet_flavors.")
    yield "| framework | versions | autologging | flavor |"
    yield "|---|---|---|---|"
    for name in sorted({*integrations, *flavors}):
        needs = ""
        if name in integrations:
            needs = plugins.load("integrations", name, Integration).requires
        if name in flavors:
            needs = needs or flavor(name).requires
        watched = (
            f"[`tracklet.{name}.autolog`](#autologging-{name})" if name in integrations else ""
        )
        kept = f"[`{name}`](#flavor-{name})" if name in flavors else ""
        yield f"| {name} | {f'`{needs}`' if needs else ''} | {watched} | {kept} |"


def _integrations() -> Iterator[str]:
    for name in _own("integrations", "tracklet_integrations."):
        integration = plugins.load("integrations", name, Integration)
        options = integration.Options()
        said = integration(options).explain(options)
        yield f"\n## Autologging: {name}\n\nRecorded:\n"
        yield from (f"- {each}" for each in said.records)
        yield "\nLeft out:\n"
        yield from (f"- {what}: {why}" for what, why in said.omits.items())
        fields = [field for field in dataclasses.fields(options) if field.name not in COMMON]
        named = ", ".join(f"`{field.name}={getattr(options, field.name)!r}`" for field in fields)
        yield f"\nOptions, beside `{'`, `'.join(COMMON)}`: {named or 'none'}."


def _flavors() -> Iterator[str]:
    for name in _own("flavors", "tracklet_flavors."):
        made = flavor(name)
        first = (type(made).__doc__ or "").partition("\n\n")[0]
        what = " ".join(
            first.replace(":class:`~tracklet.pyfunc.PythonModel`", "`PythonModel`").split()
        )
        named = ", ".join(f"`{each}`" for each in sorted(made.options()))
        yield f"\n## Flavor: {name}\n\n{what}\n\nOptions: {named or 'none'}."


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
