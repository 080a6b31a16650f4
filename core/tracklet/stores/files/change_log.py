"""The change log, ``<root>/.tracklet.changes``: what the index has to look at again.

Each line is a path below the root: ``<experiment id>``, ``<experiment id>/<run id>``,
``<experiment id>/models/<model id>`` or ``models/<name>``. Runs in progress are not announced: the
index looks at them anyway. The log is a hint; losing it costs the index a full look.
"""

from __future__ import annotations

from tracklet.stores import disk
from tracklet.stores.files import layout


def announce(root: str, *entries: str) -> None:
    """Append entries; never fails."""
    data = "".join(f"{entry}\n" for entry in entries).encode("utf-8", "replace")
    try:
        fd = disk.open_append(layout.changes_file(root))
        try:
            disk.write(fd, data)
        finally:
            disk.close(fd)
    except OSError:
        pass
