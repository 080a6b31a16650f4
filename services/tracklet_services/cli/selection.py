"""From what a person types to the run or experiment that is meant."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import tracklet
from tracklet.entities import Experiment, Run, ViewType
from tracklet.errors import InvalidParameterValue, ResourceDoesNotExist

_PAGE = 1000


def run(client: tracklet.TrackletClient, given: str, view: int = ViewType.ACTIVE_ONLY) -> Run:
    """The run that an id, the beginning of one, or ``latest`` means.

    Args:
        client: Whose record to look in.
        given: What was typed.
        view: Where ``latest`` and the beginning of an id look; a whole id finds any run.

    Raises:
        InvalidParameterValue: ``given`` cannot be an id, or several ids begin with it.
        ResourceDoesNotExist: There is no such run.
    """
    if given == "latest":
        for found in runs(client, view=view, max_results=1):
            return found
        raise ResourceDoesNotExist(f"there are no runs in {client.tracking_uri!r} yet")
    if re.fullmatch(r"[0-9a-f]{32}", given):
        return client.get_run(given)
    if not re.fullmatch(r"[0-9a-zA-Z-]+", given):
        raise InvalidParameterValue(
            f"{given!r} is no run: give an id, the beginning of one, or 'latest'"
        )
    found = list(
        runs(client, filter_string=f"attributes.run_id LIKE '{given}%'", view=view, max_results=6)
    )
    if not found:
        raise ResourceDoesNotExist(
            f"no run id in {client.tracking_uri!r} begins with {given!r}; "
            "`tracklet runs list` shows the runs there are"
        )
    if len(found) > 1:
        shown = ", ".join(match.info.run_id for match in found[:5])
        more = " and more" if len(found) > 5 else ""
        raise InvalidParameterValue(
            f"several run ids begin with {given!r}: {shown}{more}; give more of it"
        )
    return found[0]


def runs(
    client: tracklet.TrackletClient,
    experiments: Sequence[str] = (),
    filter_string: str = "",
    view: int = ViewType.ACTIVE_ONLY,
    max_results: int | None = None,
    order_by: Sequence[str] | None = None,
) -> Iterator[Run]:
    """Runs of the given experiments, or of all; by default latest start first.

    Args:
        client: Whose record to look in.
        experiments: Names or ids.
        filter_string: In the language of ``search_runs``.
        view: Which life-cycle stages to show.
        max_results: How many at most; all by default.
        order_by: As in ``search_runs``.
    """
    from tracklet.record.query import all_of

    if experiments:
        ids = [experiment(client, given).experiment_id for given in experiments]
    else:
        # A deleted experiment's runs are deleted too, so look into those only when asked to.
        wanted = ViewType.ACTIVE_ONLY if view == ViewType.ACTIVE_ONLY else ViewType.ALL
        ids = [found.experiment_id for found in all_experiments(client, wanted)]
    if not ids:
        return iter(())
    return all_of(
        lambda size, token: client.search_runs(ids, filter_string, view, size, order_by, token),
        _PAGE,
        max_results,
    )


def experiment(client: tracklet.TrackletClient, given: str) -> Experiment:
    """The experiment of that name, or else of that id; also a deleted one.

    Raises:
        ResourceDoesNotExist: There is none.
    """
    found = client.get_experiment_by_name(given)
    if found is not None:
        return found
    try:
        return client.get_experiment(given)
    except (ResourceDoesNotExist, InvalidParameterValue) as error:
        known = ", ".join(repr(other.name) for other in all_experiments(client)) or "none"
        raise ResourceDoesNotExist(
            f"there is no experiment of the name or id {given!r} in {client.tracking_uri!r}; "
            f"there are: {known}"
        ) from error


def all_experiments(
    client: tracklet.TrackletClient, view: int = ViewType.ACTIVE_ONLY
) -> Iterator[Experiment]:
    """All experiments, newest first."""
    from tracklet.record.query import all_of

    return all_of(
        lambda size, token: client.search_experiments(view, size, page_token=token), _PAGE
    )
