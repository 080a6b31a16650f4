"""The record: what may be created, changed, deleted and found, and how; each rule once.

:class:`Store` has the verbs, over a :class:`~tracklet.record.backend.Backend` that keeps entities
and knows no rule. A folder, a SQLite file and PostgreSQL are backends. A store behind a server is
none: there, the rules are the server's, so it is a ``Store`` that sends each verb over the wire.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from tracklet.entities import PagedList
from tracklet.record.experiments import Experiments
from tracklet.record.logged_models import LoggedModels
from tracklet.record.query import Query, Searches
from tracklet.record.registry import RegisteredModels
from tracklet.record.runs import Runs

if TYPE_CHECKING:
    from tracklet.record.backend import Backend
    from tracklet.record.traces import Traces


class Store(Experiments, Runs, LoggedModels, RegisteredModels, Searches):
    """A place that keeps the record, opened: what clients, autologging and commands call.

    Its verbs check what they are given (:mod:`tracklet.validation`), raise the exceptions of
    :mod:`tracklet.errors`, and leave nothing half-written when they refuse. All times are
    milliseconds since the epoch. Plugins register a store by URI scheme in the entry-point group
    ``tracklet.stores``; the class is called with the URI. ``tracklet_testing.StoreContract`` is
    the test suite that every store passes.

    Who writes a store chooses between two seams. A place that keeps entities is a
    :class:`Backend`, which gets every rule from here. A place that has verbs of its own, as a
    server has, is a subclass that overrides the public methods of this class, :attr:`traces` and
    :attr:`uri`, and needs no backend.

    Args:
        backend: Where the record is kept.
    """

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend)
        self._traces: Traces | None = None

    @property
    def uri(self) -> str:
        """Where the record is kept, as an absolute URI or path."""
        return self.backend.uri

    @property
    def traces(self) -> Traces:
        """The traces kept here; what they need is loaded when one is made or looked for."""
        if self._traces is None:
            from tracklet.record.traces import Traces

            self._traces = Traces(self.backend)
        return self._traces

    def search(self, query: Query) -> PagedList[Any]:
        """A page of what a query asks for."""
        try:
            return self.backend.search(query)
        except OSError as error:
            raise self.backend.failure(f"search {query.kind}", error) from error

    def starting(self) -> AbstractContextManager[None]:
        """A block in which a program starts: what is asked there is not waited for long."""
        return nullcontext()

    def left_out(self) -> list[tuple[str, str]]:
        """The parts of the record that cannot be read and no search finds, and the reasons."""
        return self.backend.left_out()

    def close(self) -> None:
        """Release what is open; the next call opens it again."""
        self.backend.close()
