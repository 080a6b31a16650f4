"""The active experiment and verbs on experiments."""

from __future__ import annotations

import pytest

import tracklet
from tracklet.entities import ViewType
from tracklet.errors import InvalidParameterValue, ResourceAlreadyExists, ResourceDoesNotExist

pytestmark = pytest.mark.usefixtures("tracklet_home")


def test_runs_go_to_the_active_experiment_which_is_created_when_new() -> None:
    experiment = tracklet.set_experiment("客户 churn")
    with tracklet.start_run() as run:
        pass
    assert run.info.experiment_id == experiment.experiment_id
    assert tracklet.set_experiment("客户 churn") == experiment
    assert tracklet.set_experiment(experiment_id=experiment.experiment_id) == experiment


def test_without_an_active_experiment_runs_go_to_the_default() -> None:
    with tracklet.start_run() as run:
        pass
    assert run.info.experiment_id == "0"
    assert tracklet.get_experiment("0").name == "Default"


@pytest.mark.parametrize("arguments", [{}, {"experiment_name": "a", "experiment_id": "0"}])
def test_exactly_one_of_name_and_id_is_needed(arguments: dict[str, str]) -> None:
    with pytest.raises(InvalidParameterValue, match="exactly one"):
        tracklet.set_experiment(**arguments)


@pytest.mark.parametrize("name", ["", "  ", "x" * 501, None, 3])
def test_a_bad_name_is_refused(name: object) -> None:
    with pytest.raises(InvalidParameterValue, match="name"):
        tracklet.create_experiment(name)  # type: ignore[arg-type]


def test_a_name_is_taken_also_by_a_deleted_experiment() -> None:
    experiment_id = tracklet.create_experiment("a", tags={"k": 1})
    with pytest.raises(ResourceAlreadyExists, match="'a'"):
        tracklet.create_experiment("a")
    tracklet.delete_experiment(experiment_id)
    with pytest.raises(ResourceAlreadyExists, match="'a'"):
        tracklet.create_experiment("a")
    with pytest.raises(InvalidParameterValue, match="restore"):
        tracklet.set_experiment("a")
    tracklet.restore_experiment(experiment_id)
    assert tracklet.set_experiment("a").tags == {"k": "1"}


def test_an_unknown_experiment_does_not_exist() -> None:
    with pytest.raises(ResourceDoesNotExist, match="31337"):
        tracklet.set_experiment(experiment_id="31337")
    with pytest.raises(InvalidParameterValue, match=r"\.\./x"):
        tracklet.get_experiment("../x")
    assert tracklet.get_experiment_by_name("nobody") is None


def test_tags_of_the_active_experiment_are_set_and_removed() -> None:
    tracklet.set_experiment("a")
    tracklet.set_experiment_tag("k", 1)
    tracklet.set_experiment_tags({"l": "2", "mlflow.note.content": "why"})
    tracklet.delete_experiment_tag("l")
    with pytest.raises(ResourceDoesNotExist, match="'l'"):
        tracklet.delete_experiment_tag("l")
    experiment = tracklet.get_experiment_by_name("a")
    assert experiment is not None
    assert experiment.tags == {"k": "1", "mlflow.note.content": "why"}


def test_experiments_are_found_by_name_tag_and_life_cycle() -> None:
    ids = {name: tracklet.create_experiment(name, tags={"n": name}) for name in ("aa", "ab", "b")}
    tracklet.delete_experiment(ids["ab"])
    found = tracklet.search_experiments(filter_string="name LIKE 'a%'")
    assert [experiment.name for experiment in found] == ["aa"]
    everything = tracklet.search_experiments(ViewType.ALL, order_by=["name ASC"])
    assert [experiment.name for experiment in everything] == ["Default", "aa", "ab", "b"]
    assert [e.name for e in tracklet.search_experiments(filter_string="tags.n = 'b'")] == ["b"]
    assert len(tracklet.search_experiments(max_results=1)) == 1


def test_the_default_experiment_cannot_be_deleted() -> None:
    tracklet.search_experiments()
    with pytest.raises(InvalidParameterValue, match="0"):
        tracklet.delete_experiment("0")
