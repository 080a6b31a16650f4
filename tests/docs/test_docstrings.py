"""The verbs that people type first have an example in their documentation, and it is true."""

import doctest
import inspect
from pathlib import Path

import pytest

import tracklet

NEEDS = {
    "autolog": "sklearn",
    "load_model": "sklearn",
    "log_figure": "matplotlib",
    "log_model": "sklearn",
    "log_table": "pandas",
    "register_model": "sklearn",
}
VERBS = (
    "TrackletClient autolog load_model log_artifact log_dict log_figure log_metric log_metrics "
    "log_model log_param log_params log_table register_model search_runs set_tag start_run"
).split()


@pytest.mark.parametrize("name", VERBS)
def test_the_example_of_a_verb_is_true(
    name: str, tracklet_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    monkeypatch.chdir(tracklet_home)
    verb = tracklet.autolog.autolog if name == "autolog" else getattr(tracklet, name)
    text = inspect.getdoc(verb) or ""
    example = doctest.DocTestParser().get_doctest(text, {"tracklet": tracklet}, name, None, None)
    said: list[str] = []
    outcome = doctest.DocTestRunner().run(example, out=said.append)
    assert outcome.attempted > 0, f"{name} has no example"
    assert outcome.failed == 0, "".join(said)
