"""Records of MLflow's, and of other stores of tracklet's, taken over into a store.

``import_record(path)`` is all that most need; ``tracklet import PATH`` is the same on the command
line. A store of one's own takes records over when it is verbs over a
:class:`tracklet.record.backend.Backend`.
"""

from __future__ import annotations

from tracklet_services.importing.importer import (
    Importer,
    Progress,
    import_record,
    open_source,
    open_target,
)
from tracklet_services.importing.report import ImportReport
from tracklet_services.importing.source import ImportSource, Unreadable

__all__ = [
    "ImportReport",
    "ImportSource",
    "Importer",
    "Progress",
    "Unreadable",
    "import_record",
    "open_source",
    "open_target",
]
