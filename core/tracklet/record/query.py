"""What a search asks for, and the verbs that say it: the same for every store and for the index."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from tracklet.entities import PagedList, Run, ViewType
from tracklet.errors import InvalidArgument, brief
from tracklet.frozen import Frozen
from tracklet.validation import as_experiment_ids, as_list

if TYPE_CHECKING:
    from tracklet.entities import Experiment, LoggedModel, ModelVersion, RegisteredModel

T = TypeVar("T")


class Query(Frozen):
    """What is looked for; whoever answers it checks it.

    Attributes:
        kind: What is searched, in the words of messages.
        filter: The filter, as text.
        order_by: The order.
        max_results: The size of a page.
        page_token: Where the page starts.
        experiment_ids: Those that may hold it; for runs and logged models.
        view: Whether active ones, deleted ones or both; for experiments and runs.
        datasets: On which a logged model was measured.
    """

    kind: Literal["experiments", "runs", "logged models", "registered models", "model versions"]
    filter: str | None
    order_by: Sequence[str] | Sequence[Mapping[str, Any]] | None
    max_results: int
    page_token: str | None
    experiment_ids: Sequence[str] = ()
    view: int = ViewType.ACTIVE_ONLY
    datasets: Sequence[Mapping[str, str]] | None = None


class Searches:
    """Every search, each a query."""

    def search(self, query: Query) -> PagedList[Any]:
        """A page of what a query asks for; a store implements this, or each of the searches."""
        raise NotImplementedError(f"{type(self).__name__} does not search {query.kind}")

    def search_experiments(
        self,
        view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int | None = 1000,
        filter_string: str | None = None,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[Experiment]:
        """A page of experiments; by default newest first."""
        size = 1000 if max_results is None else max_results
        asked = filter_string, order_by, size, page_token
        return self.search(Query("experiments", *asked, view=view_type))

    def search_runs(
        self,
        experiment_ids: Sequence[str],
        filter_string: str | None = "",
        run_view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int = 1000,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[Run]:
        """A page of runs of these experiments; by default latest start first.

        Raises:
            InvalidParameterValue: The filter or the order is malformed; the message points at
                the offending token.
        """
        asked = filter_string, order_by, max_results, page_token
        return self.search(Query("runs", *asked, as_experiment_ids(experiment_ids), run_view_type))

    def search_logged_models(
        self,
        experiment_ids: Sequence[str],
        filter_string: str | None = None,
        datasets: Sequence[Mapping[str, str]] | None = None,
        max_results: int | None = None,
        order_by: Sequence[Mapping[str, Any]] | None = None,
        page_token: str | None = None,
    ) -> PagedList[LoggedModel]:
        """A page of active models; by default newest first, 100 a page.

        A clause on a metric looks at every point that the store keeps; with ``datasets``, at
        those measured on one of them, and without such a clause a model needs any point there.
        """
        ids, measured = as_experiment_ids(experiment_ids), as_list("datasets", datasets)
        size = 100 if max_results is None else max_results
        asked = filter_string, order_by, size, page_token
        return self.search(Query("logged models", *asked, ids, datasets=measured))

    def search_registered_models(
        self,
        filter_string: str | None = None,
        max_results: int = 100,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[RegisteredModel]:
        """A page of registered models; by default by name. Prompts show up only when asked for."""
        asked = filter_string, order_by, max_results, page_token
        return self.search(Query("registered models", *asked))

    def search_model_versions(
        self,
        filter_string: str | None = None,
        max_results: int = 10_000,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[ModelVersion]:
        """A page of versions; by default last updated first. Prompts show up when asked for."""
        asked = filter_string, order_by, max_results, page_token
        return self.search(Query("model versions", *asked))


def all_of(
    page_of: Callable[[int, str | None], PagedList[T]],
    page_size: int,
    max_results: int | None = None,
) -> Iterator[T]:
    """What a search finds; the next page is asked for when it is needed.

    Args:
        page_of: Asks for a page, given how long it may be, and the token of the page before.
        page_size: How long pages may be.
        max_results: How much is wanted, which may be nothing; all of it by default.
    """
    if max_results is not None and type(max_results) is not int:
        raise InvalidArgument(f"max_results is a whole number; got {brief(max_results)}")
    left, token = max_results, None
    while left is None or left > 0:
        page = page_of(page_size if left is None else min(page_size, left), token)
        yield from page
        token = page.token
        if token is None:
            return
        left = None if left is None else left - len(page)
