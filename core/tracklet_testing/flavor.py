"""The contract of a flavor as tests: whoever writes a flavor subclasses :class:`FlavorContract`.

::

    from tracklet_testing import FlavorContract


    class TestToyFlavor(FlavorContract):
        flavor = ToyFlavor

        def make_model(self):
            return toy.Net().fit([[1.0]], [2.0])

        def make_input(self):
            return pd.DataFrame({"x": [1.0, 2.0]})

The flavor must be registered (entry-point group ``tracklet.flavors``). Every test says in a
sentence what must hold.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import math
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pytest

import tracklet
from tracklet import models, pyfunc
from tracklet.errors import ResourceAlreadyExists, TrackletException
from tracklet.models import Flavor, Model, categories, examples, manifest, trust
from tracklet.models.environment import CONDA, PYTHON_ENV, REQUIREMENTS
from tracklet.models.model import FILE_NAME
from tracklet.models.signature import listed
from tracklet_services.scoring import answer_body
from tracklet_testing import data_cases

_CORE_FILES = {FILE_NAME, REQUIREMENTS, CONDA, PYTHON_ENV, manifest.FILE_NAME}
_CORE_FILES |= {examples.EXAMPLE_FILE, examples.SERVING_FILE, categories.FILE_NAME}

_PREDICT = """
import pathlib, pickle, sys
from tracklet import pyfunc
from tracklet_services.scoring import answer_body
for question in pathlib.Path(sys.argv[1]).glob("*.question"):
    try:
        path, data = pickle.loads(question.read_bytes())
        answer = answer_body(pyfunc.load_model(path).predict(data))
    except Exception as error:
        answer = repr(error).encode()
    question.with_suffix(".answer").write_bytes(answer)
"""

_IMPORT = """
import importlib, sys
module, _, name = sys.argv[1].partition(":")
flavor = getattr(importlib.import_module(module), name)()
assert not flavor.owns(object())
print([framework for framework in flavor.modules if framework in sys.modules])
"""


class Training(NamedTuple):
    """A model with what it was trained on, and what it answers to that.

    Args:
        model: The fitted native model.
        data: What the user passed to ``fit``: a frame, an array, a sparse matrix, a list…
        answer: What the native model answers to ``data``.
    """

    model: Any
    data: Any
    answer: Any


class FlavorContract:
    """Subclass it and set what it is about; every test then runs against the flavor."""

    flavor: ClassVar[type[Flavor]]
    """The flavor under test."""

    options: ClassVar[dict[str, Any]] = {}
    """Options of the flavor that models are saved with."""

    def make_model(self) -> Any:
        """A fitted native model. Its class must be importable, or pickled by value."""
        raise NotImplementedError

    def make_input(self) -> Any:
        """Data that the model can be asked about; also its input example."""
        raise NotImplementedError

    def answer(self, model: Any) -> Any:
        """What the native model answers to :meth:`make_input`; override for other methods."""
        return model.predict(self.make_input())

    def trainings(self) -> dict[str, Training]:
        """What people train, by a word for each: every form of data that the framework takes.

        Override it; models of the flavor that differ in what they must be asked belong here.
        """
        model = self.make_model()
        return {"example": Training(model, self.make_input(), self.answer(model))}

    def wrong_models(self) -> list[Any]:
        """Things that are no models of the flavor."""
        return [object(), None, 3, self.flavor]

    def save(self, path: Path, **described: Any) -> Path:
        """A saved model, with its input example."""
        models.save_model(
            self.make_model(),
            path,
            flavor=self.flavor.name,
            input_example=self.make_input(),
            **{**self.options, **described},
        )
        return path

    # -- the plugin ------------------------------------------------------------------------------

    def test_the_registry_finds_the_flavor_by_the_models_type(self) -> None:
        """``flavor_of`` leads from a model to this flavor, ``flavor`` from its name."""
        assert type(models.flavor_of(self.make_model())) is self.flavor
        assert type(models.flavor(self.flavor.name)) is self.flavor

    def test_importing_the_flavor_imports_no_framework(self) -> None:
        """A process that saves no model of the framework does not pay for it."""
        target = f"{self.flavor.__module__}:{self.flavor.__qualname__}"
        assert _printed(_IMPORT, target) == "[]"

    # -- round trips -----------------------------------------------------------------------------

    def test_a_model_answers_its_training_data_as_the_trained_one(self, tmp_path: Path) -> None:
        """Here, in a fresh process, by the server's JSON, and by ``tracklet models predict``."""
        answers = Answers(tmp_path / "asked")
        for name, (model, data, answer) in self.trainings().items():
            path = tmp_path / name
            signature = models.infer_signature(data, answer)
            models.save_model(
                model, path, flavor=self.flavor.name, signature=signature, **self.options
            )
            answers.ask(name, path, data, answer)
        assert answers.wrong() == {}

    def test_the_native_model_comes_back_as_its_own_type(self, tmp_path: Path) -> None:
        """``load_model`` returns what the framework made."""
        again = models.load_model(self.save(tmp_path / "model"))
        assert type(again).__name__ == type(self.make_model()).__name__

    def test_a_logged_model_loads_by_its_run_and_by_its_id(self, tracklet_home: Path) -> None:
        """Both URIs lead to the same model; the run lists it as its output."""
        with tracklet.start_run() as run:
            info = models.log_model(
                self.make_model(),
                "model",
                flavor=self.flavor.name,
                input_example=self.make_input(),
                **self.options,
            )
        by_run = pyfunc.load_model(f"runs:/{run.info.run_id}/model")
        by_id = pyfunc.load_model(info.model_uri)
        answers = [_plain(one.predict(self.make_input())) for one in (by_run, by_id)]
        assert answers[0] == answers[1]
        assert by_id.model_id == info.model_id
        assert tracklet.get_logged_model(str(info.model_id)).status == "READY"
        outputs = tracklet.get_run(run.info.run_id).outputs.model_outputs
        assert [output.model_id for output in outputs] == [info.model_id]

    def test_the_same_values_in_another_form_are_answered_as_by_the_native_model(
        self, tmp_path: Path
    ) -> None:
        """What the framework takes, the pyfunc view takes with the signature of that form."""
        path = self.save(tmp_path / "model")
        model = models.load_model(path)
        for name, make in data_cases.dressed(self.make_input()):
            try:
                self.make_input = make
                expected = _plain(self.answer(model))
            except Exception:  # noqa: BLE001 - a form that the framework does not take
                continue
            models.set_signature(path, models.infer_signature(make()))
            answered = _plain(pyfunc.load_model(path).predict(make()))
            assert answered == expected, name

    # -- what the folder says --------------------------------------------------------------------

    def test_the_signature_is_inferred_from_the_example_and_kept(self, tmp_path: Path) -> None:
        """The ``MLmodel`` file has inputs and outputs, and reading them back changes nothing."""
        about = Model.load(self.save(tmp_path / "model"))
        assert about.signature is not None
        assert about.signature.inputs is not None
        assert about.signature.outputs is not None
        assert models.ModelSignature.from_dict(about.signature.to_dict()) == about.signature

    def test_the_input_example_comes_back_and_can_be_asked_about(self, tmp_path: Path) -> None:
        """The example that is kept is one that the model takes."""
        path = self.save(tmp_path / "model")
        model = pyfunc.load_model(path)
        example = model.metadata.load_input_example(path)
        assert _plain(model.predict(example)) == _plain(model.predict(self.make_input()))

    def test_the_environment_is_listed_in_all_forms(self, tmp_path: Path) -> None:
        """Requirements are well-formed and the same in pip's and conda's file; Python is named."""
        from packaging.requirements import Requirement

        path = self.save(tmp_path / "model")
        lines = (path / REQUIREMENTS).read_text().splitlines()
        names = [Requirement(line).name for line in lines]
        assert names[0] == "tracklet"
        assert len(set(names)) == len(names)
        conda = (path / CONDA).read_text()
        assert all(line in conda for line in lines)
        assert "-r requirements.txt" in (path / PYTHON_ENV).read_text()

    def test_flavor_and_pyfunc_view_are_entered(self, tmp_path: Path) -> None:
        """The ``MLmodel`` file has the flavor, and the loader by which MLflow would find it."""
        about = Model.load(self.save(tmp_path / "model"))
        assert self.flavor.name in about.flavors
        assert about.flavors["python_function"]["loader_module"] in (
            self.flavor.loader_module,
            *self.flavor.other_loaders,
        )

    def test_the_example_can_be_sent_to_a_server(self, tmp_path: Path) -> None:
        """The file with the request's body is answered like the example itself."""
        path = self.save(tmp_path / "model")
        body = (path / examples.SERVING_FILE).read_text(encoding="utf-8")
        answered = json.loads(answer_body(models.validate_serving_input(path, body)))
        asked = pyfunc.load_model(path).predict(self.make_input())
        assert answered == json.loads(answer_body(asked))

    # -- trust -----------------------------------------------------------------------------------

    def test_a_strangers_model_runs_nothing_unless_trusted(self, tmp_path: Path) -> None:
        """Without this user's signature a model loads if it has no code, and else with trust."""
        path = self.save(tmp_path / "model")
        expected = _plain(pyfunc.load_model(path).predict(self.make_input()))
        (path / manifest.FILE_NAME).unlink()
        loaded = pyfunc.load_model(path, trust=True)
        assert _plain(loaded.predict(self.make_input())) == expected
        for load in (models.load_model, pyfunc.load_model):
            if trust.what_would_run(path):
                with pytest.raises(TrackletException, match="trust"):
                    load(path)
            else:
                self.load_or_name_types(load, path)

    def load_or_name_types(self, load: Any, path: Path) -> None:
        """A format without code loads; only skops may ask the caller for types."""
        try:
            load(path)
        except models.UntrustedModel:
            raise
        except TrackletException:
            assert list(path.rglob("*.skops")), "no code in it, and yet it was refused"

    def test_a_flipped_byte_is_noticed(self, tmp_path: Path) -> None:
        """A damaged own model is refused before anything is made of its bytes."""
        path = self.save(tmp_path / "model")
        for file in _own_files(path):
            content = file.read_bytes()
            for position in {0, len(content) // 2, len(content) - 1}:
                damaged = bytearray(content)
                damaged[position] ^= 1
                file.write_bytes(bytes(damaged))
                with pytest.raises(models.ChangedModel, match=file.name):
                    pyfunc.load_model(path)
            file.write_bytes(content)
        pyfunc.load_model(path)

    # -- refusals --------------------------------------------------------------------------------

    def test_a_wrong_type_is_refused_and_nothing_is_written(self, tracklet_home: Path) -> None:
        """The error names the type; no folder and no logged model are left behind."""
        for wrong in self.wrong_models():
            with pytest.raises(TrackletException, match=type(wrong).__name__):
                models.save_model(wrong, tracklet_home / "wrong", flavor=self.flavor.name)
            with pytest.raises(TrackletException):
                models.log_model(wrong, flavor=self.flavor.name)
        assert list(tracklet_home.rglob("*.pkl")) == []
        assert not (tracklet_home / "wrong").exists()
        assert tracklet.last_logged_model() is None

    def test_a_path_with_something_in_it_is_refused(self, tmp_path: Path) -> None:
        """Saving never overwrites."""
        path = self.save(tmp_path / "model")
        before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
        with pytest.raises(ResourceAlreadyExists, match="not empty"):
            self.save(path)
        assert {file: file.read_bytes() for file in path.rglob("*") if file.is_file()} == before

    def test_an_unknown_option_is_refused(self, tmp_path: Path) -> None:
        """A misspelt option is an error that names the known ones, not silence."""
        with pytest.raises(TrackletException, match="no_such_option"):
            self.save(tmp_path / "model", no_such_option=1)
        assert list(tmp_path.iterdir()) == []

    def test_a_corrupt_folder_gives_a_clear_error(self, tmp_path: Path) -> None:
        """Without one of its files, or with half of one, a model is refused, never a crash."""
        path = self.save(tmp_path / "model")
        own = _own_files(path)
        assert own, "the flavor wrote no file of its own"
        for file in own:
            content = file.read_bytes()
            for damaged in (None, b"", content[: len(content) // 2], b"\x00" * 64):
                if damaged is None:
                    file.unlink()
                else:
                    file.write_bytes(damaged)
                for load in (models.load_model, pyfunc.load_model):
                    with pytest.raises(TrackletException):
                        load(path)
            file.write_bytes(content)
        pyfunc.load_model(path)
        (path / FILE_NAME).write_text("flavors: [")
        with pytest.raises(TrackletException, match="corrupt"):
            models.load_model(path)


class Answers:
    """Collects what saved models answer to what they were trained on, however they are asked.

    Args:
        folder: A new folder, for the questions and answers of another process.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._expected: dict[str, Any] = {}
        self._given: dict[tuple[str, str], bytes] = {}

    def ask(self, name: str, path: Path, data: Any, answer: Any) -> None:
        """Ask a model here, by the JSON of a request and by ``tracklet models predict``.

        Args:
            name: A word for it.
            path: Its folder.
            data: What it is asked about.
            answer: What the native model answered.
        """
        file = self._folder / name
        # Before anything else asks the model, and may leave something in it.
        file.with_suffix(".question").write_bytes(pickle.dumps((str(path), data)))
        self._expected[name] = json.loads(answer_body(answer))
        self._given[name, "here"] = _outcome(lambda: _asked(path, data))
        body = _outcome(lambda: json.dumps(examples.serving_body(listed(data))).encode())
        self._given[name, "by JSON"] = _outcome(lambda: _served(path, body))
        request = file.with_suffix(".json")
        request.write_bytes(body)
        self._given[name, "by command"] = _outcome(lambda: _commanded(path, request))

    def wrong(self) -> dict[str, str]:
        """All that was answered otherwise than natively, also in one fresh process for all."""
        if self._expected:
            _printed(_PREDICT, str(self._folder))
        for name in self._expected:
            answer = (self._folder / name).with_suffix(".answer")
            self._given[name, "elsewhere"] = answer.read_bytes()
        return {
            f"{name}, {way}": f"{given.decode()[:300]}, not {str(self._expected[name])[:300]}"
            for (name, way), given in self._given.items()
            if not _is_answer(given, self._expected[name], exact=not way.startswith("by"))
        }


def _plain(answer: Any) -> Any:
    """What JSON says of an answer, whatever it is."""
    return json.loads(answer_body(answer))


def _outcome(ask: Callable[[], bytes]) -> bytes:
    """What asking gives; an error's words, for a test that tells all at once."""
    try:
        return ask()
    except Exception as error:  # noqa: BLE001 - it is what the test shows
        return repr(error).encode()


def _asked(path: Path, data: Any) -> bytes:
    return answer_body(pyfunc.load_model(path).predict(data))


def _served(path: Path, body: bytes) -> bytes:
    from tracklet_services.serving.server import answered

    return answered(pyfunc.load_model(path), body, "application/json")


def _commanded(path: Path, request: Path) -> bytes:
    from tracklet_services.cli.app import app

    with contextlib.redirect_stdout(io.StringIO()) as printed:
        app(["models", "predict", "-m", str(path), "-i", str(request)], standalone_mode=False)
    return printed.getvalue().encode()


def _is_answer(given: bytes, expected: Any, *, exact: bool) -> bool:
    """Whether a body says what is expected.

    Args:
        given: The body.
        expected: The document.
        exact: To the last bit; else as JSON's rows give it, whose sums may end otherwise.
    """
    try:
        return _alike(json.loads(given), expected, 0.0 if exact else 1e-6)
    except ValueError:
        return False


def _alike(one: Any, other: Any, tolerance: float) -> bool:
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return all(map(_alike, one, other, itertools.repeat(tolerance)))
    if isinstance(one, dict) and isinstance(other, dict) and list(one) == list(other):
        return _alike([*one.values()], [*other.values()], tolerance)
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=tolerance)
    return one == other


def _own_files(path: Path) -> list[Path]:
    """The files of a saved model that the flavor wrote."""
    found = [file for file in path.rglob("*") if file.is_file()]
    return [file for file in found if file.relative_to(path).parts[0] not in _CORE_FILES]


def _printed(program: str, *arguments: str) -> str:
    """What a program prints in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
