"""Every check of the project, each in an environment of its own: `nox -l` lists them."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "types", "layers", "tests", "plugin", "quickstart"]

# pip's way to say yes. What it would compile lies where `clean_environment` lets nobody look.
os.environ["PIP_NO_COMPILE"] = "false"

PYPROJECT = nox.project.load_toml("pyproject.toml")
EXTRAS = (
    "lightgbm,sklearn,xgboost,plots,images,serve,server,remote,objects,sql,postgresql,"
    "system-metrics,ui"
)
FRAMEWORKS = ["lightgbm", "pytorch", "sklearn", "xgboost"]
# What trains by PyTorch, or shows how it goes; their tests share one environment.
TRAINERS = ["lightning", "tensorboard", "transformers"]

# Further ones, whose tests share one as well.
OTHERS = ["catboost", "onnx"]
# And what other libraries made for scikit-learn.
ESTIMATORS = ["imbalanced-learn", "ngboost", "skl2onnx", "skorch"]

# What the environment of the real mlflow holds; xgboost-cpu is xgboost without a GPU's libraries.
MLFLOW = ["mlflow>=3.17,<4", "lightgbm", "scikit-learn", "torch==2.13.0", "xgboost-cpu"]

# Libraries that report to MLflow by themselves.
REPORTING = [
    "accelerate",
    "kedro",
    "kedro-datasets",
    "lightning",
    "optuna-integration",
    "pytorch-ignite",
    "skorch",
    "sktime",
    "torch==2.13.0",
    "transformers",
]

# The smallest versions that pyproject.toml promises, for a Python that they still run on.
OLDEST = [
    "click==8.1.*",
    "cloudpickle==2.2.*",
    "packaging==23.0",
    "platformdirs==4.0.*",
    "PyYAML==6.0.1",
    "wrapt==1.15.*",
    "lightgbm==4.1.*",
    "scikit-learn==1.3.*",
    "xgboost==2.0.*",
    "pandas==2.0.*",
    "numpy==1.26.*",
    "matplotlib==3.7.*",
    "pillow==10.0.*",
    "alembic==1.13.*",
    "SQLAlchemy==2.1.0",
    "starlette==0.49.1",
    "uvicorn==0.30.*",
    "msgspec==0.19.*",
    "psutil==5.9.*",
    "psycopg[binary]==3.1.*",
    # What those of their time stood on: with today's they warn, and warnings are errors.
    "pyarrow==15.*",
    "cffi==1.16.*",  # by which XGBoost of then reads Arrow's tables
    "dask==2024.1.*",
    "distributed==2024.1.*",
    "pyparsing==3.1.*",
    "scipy==1.11.*",
]


def group(name: str) -> list[str]:
    """The requirements of one of pyproject.toml's dependency groups."""
    return list(nox.project.dependency_groups(PYPROJECT, name))


def scratch(session: nox.Session) -> Path:
    """A folder of the session's own.

    Not `session.create_tmp`, which also moves TMPDIR below it: paths get longer than a Unix
    socket's may be, and temporary folders would lie inside a git repository.
    """
    folder = Path(session.virtualenv.location).resolve() / "scratch"
    folder.mkdir(exist_ok=True)
    return folder


def clean_environment(session: nox.Session) -> dict[str, str | None]:
    """No record of the user's is touched: everything goes to the session's own folder."""
    home = scratch(session)
    return {
        "TRACKLET_CACHE_DIR": str(home / "cache"),
        "TRACKLET_CONFIG_DIR": str(home / "config"),
        "TRACKLET_TRACKING_URI": None,
        "MLFLOW_TRACKING_URI": None,
        # Hundreds of processes are started. One that compiles what it imports takes three times as
        # long, and uv leaves that to them; where nothing may be written beside the sources, each
        # would do it anew.
        "PYTHONDONTWRITEBYTECODE": None,
        "PYTHONPYCACHEPREFIX": str(home / "bytecode"),
    }


def test_environment(session: nox.Session) -> dict[str, str | None]:
    """That, with trainings on one thread each: their data are small, and others run beside."""
    return {**clean_environment(session), "OMP_NUM_THREADS": "1"}


def install_built(session: nox.Session, *requirements: str) -> None:
    """Install the project as users do, not editable, and anew each time."""
    # uv would take a build from its cache as long as pyproject.toml is the same.
    anew = ["--reinstall-package", "tracklet"] if session.venv_backend == "uv" else []
    session.install(*anew, *requirements)


# A test that hangs fails after ten minutes, and says where, instead of stopping everything.
TIMEOUT = "--timeout=600"

# But for longer runs of its own cases, which the session `exhaustive` makes, and what `frameworks`
# runs.
USUAL = ["-m", "not exhaustive and not framework"]


def workers() -> list[str]:
    """Spread the tests over the processors, where there is more than one."""
    return ["-n", "auto"] if (os.cpu_count() or 1) > 1 else []


def real_mlflow(session: nox.Session, *requirements: str, sees: str | None = None) -> str:
    """The interpreter of an environment of the real mlflow's own, within the session's.

    Args:
        session: The session.
        *requirements: What is installed there.
        sees: A folder of packages that it has besides.
    """
    home = Path(session.virtualenv.location).resolve() / "mlflow"
    python = home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not python.exists():
        session.run("python", "-m", "venv", str(home))
    if sees is not None:
        (packages,) = home.glob("[Ll]ib/**/site-packages")
        (packages / "seen.pth").write_text(sees)
    session.run(str(python), "-m", "pip", "install", "-q", *requirements, external=True)
    return str(python)


@nox.session
def quickstart(session: nox.Session) -> None:
    """Install as a newcomer would, and train the example."""
    install_built(session, ".[sklearn]")
    shutil.rmtree(scratch(session))
    home = scratch(session)
    example = Path("examples/quickstart.py").resolve()
    session.chdir(home)
    session.run("python", str(example), env=clean_environment(session))


@nox.session
def tests(session: nox.Session) -> None:
    """The suite, but for what needs the real mlflow or an installed outside plugin."""
    session.install("-e", f".[{EXTRAS}]", *group("tests"))
    session.run(
        "pytest", TIMEOUT, *workers(), *USUAL, *session.posargs, env=test_environment(session)
    )


@nox.session
def ui(session: nox.Session) -> None:
    """The web UI's screens, in Debian's Chromium."""
    session.install("-e", ".[sql,ui]", *group("screens"))
    screens = sorted(map(str, Path("tests/services/ui").glob("test_screens*.py")))
    usual = ["-m", "not exhaustive", *screens]
    session.run(
        "pytest", TIMEOUT, *workers(), *usual, *session.posargs, env=test_environment(session)
    )


@nox.session
def exhaustive(session: nox.Session) -> None:
    """Longer runs of what the suite has in short: more kills, interrupts and first starts.

    Each internal step of a training fails, and each of its writes. And what trainings leave on the
    record, kept by a database.
    """
    session.install("-e", f".[{EXTRAS}]", *group("tests"))
    env = test_environment(session)
    session.run("pytest", TIMEOUT, *workers(), "-m", "exhaustive", *session.posargs, env=env)
    if not session.posargs:
        observed = [f"tests/integrations/{framework}" for framework in FRAMEWORKS]
        kept = ["--tracklet-store=sqlite", "-k", "not contract and not chaos"]
        session.run("pytest", TIMEOUT, *workers(), *USUAL, *kept, *observed, env=env)


@nox.session
def coverage(session: nox.Session) -> None:
    """The suite with a report of the lines and branches that no test reached."""
    session.install("-e", f".[{EXTRAS}]", *group("tests"))
    env = test_environment(session)
    session.run("coverage", "run", "-m", "pytest", TIMEOUT, *session.posargs, env=env)
    session.run("coverage", "combine")
    session.run("coverage", "report", "--skip-covered", "--show-missing")


@nox.session
@nox.parametrize("framework", FRAMEWORKS)
def frameworks(session: nox.Session, framework: str) -> None:
    """A plugin's own tests, with no framework installed but its own."""
    only_those_of(session, framework)


@nox.session
def trainers(session: nox.Session) -> None:
    """The tests of what trains by PyTorch, and of what its trainings are shown with."""
    only_those_of(session, *TRAINERS)


@nox.session
def keras(session: nox.Session) -> None:
    """The tests of Keras' plugins, on TensorFlow."""
    needs = ["tensorflow-cpu", "keras-tuner", "scikeras", "tensorboard"]
    only_those_of(session, "keras", needs=needs)


@nox.session
def others(session: nox.Session) -> None:
    """The plugins of further frameworks, which share one environment; and models for MLflow."""
    only_those_of(session, *OTHERS, "estimators", needs=["scikit-learn", *ESTIMATORS])
    python = real_mlflow(session, "mlflow>=3.17,<4", *OTHERS, "onnxruntime")
    env = {**test_environment(session), "TRACKLET_MLFLOW_PYTHON": python}
    place = ["-m", "interop", *(f"tests/interop/test_{name}.py" for name in OTHERS)]
    session.run("pytest", TIMEOUT, *place, *session.posargs, env=env)


def only_those_of(session: nox.Session, *frameworks: str, needs: Sequence[str] = ()) -> None:
    """The tests of some frameworks' plugins, with no others installed."""
    extras = [name for name in frameworks if name in PYPROJECT["project"]["optional-dependencies"]]
    session.install("-e", f".[{','.join(extras)}]", *group("tests"), *needs)
    places = [
        str(place)
        for kind in ("integrations", "flavors")
        for place in sorted(Path("tests", kind).glob("*"))
        for framework in frameworks
        if place.stem in (framework, f"test_{framework}")
    ]
    usual = ["-m", "not exhaustive", *places]
    session.run(
        "pytest", TIMEOUT, *workers(), *usual, *session.posargs, env=test_environment(session)
    )


@nox.session(python=["3.12", "3.13"])
def pythons(session: nox.Session) -> None:
    """The suite on the other Pythons that pyproject.toml names."""
    session.install("-e", f".[{EXTRAS}]", *group("tests"))
    session.run("pytest", TIMEOUT, *workers(), *session.posargs, env=test_environment(session))


@nox.session(python="3.11")
def oldest(session: nox.Session) -> None:
    """The suite with the oldest versions that pyproject.toml allows."""
    session.install("-e", f".[{EXTRAS}]", *group("tests"), *OLDEST)
    session.run("pytest", TIMEOUT, *workers(), *session.posargs, env=test_environment(session))


@nox.session
def lint(session: nox.Session) -> None:
    """Style and likely mistakes."""
    session.install(*group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Static types of the three source roots."""
    session.install("-e", f".[{EXTRAS}]", *group("types"))
    session.run("pyright", *session.posargs)
    session.run("pytest", "tests/typing", env=test_environment(session))


@nox.session
def layers(session: nox.Session) -> None:
    """Who may import whom: import-linter's contracts, and what really gets imported."""
    session.install("-e", ".[remote]", *group("layers"))
    session.run("lint-imports", "--no-cache")
    session.run("pytest", "tests/layers", env=test_environment(session))


@nox.session
def plugin(session: nox.Session) -> None:
    """A distribution of someone else's: built, installed, found, used, and gone."""
    wheels = scratch(session)
    install_built(session, ".[pandas]", "pytest>=8.0", "pip")
    session.run(
        "python", "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(wheels), "tests/plugin"
    )
    (wheel,) = wheels.glob("tracklet_toyframe-*.whl")
    env = clean_environment(session)
    session.run("python", "-m", "pip", "uninstall", "-q", "-y", "tracklet-toyframe")
    session.run("pytest", "tests/plugin/test_absent.py", env=env)
    session.install("--no-deps", str(wheel))
    session.run("pytest", *USUAL, "tests/plugin/test_installed.py", env=env)
    session.run("python", "-m", "pip", "uninstall", "-q", "-y", "tracklet-toyframe")
    session.run("pytest", "tests/plugin/test_absent.py", env=env)


@nox.session
def interop(session: nox.Session) -> None:
    """What we write the real mlflow reads, and the reverse; mlflow has its own environment."""
    session.install("-e", f".[{EXTRAS}]", *group("tests"))
    python = real_mlflow(session, *MLFLOW)
    session.run(
        "pytest",
        TIMEOUT,
        *workers(),
        "--dist=loadfile",  # scripts that a file's tests share run once
        "-m",
        "interop",
        *session.posargs,
        env={**test_environment(session), "TRACKLET_MLFLOW_PYTHON": python},
    )


@nox.session
def old_client(session: nox.Session) -> None:
    """A client of MLflow 2 works with our server."""
    session.install("-e", f".[{EXTRAS}]", *group("tests"))
    python = real_mlflow(session, "mlflow>=2.20,<3", "scikit-learn")
    env = {**test_environment(session), "TRACKLET_OLD_MLFLOW_PYTHON": python}
    session.run("pytest", TIMEOUT, "tests/interop/test_old_client.py", *session.posargs, env=env)


@nox.session
def keras_interop(session: nox.Session) -> None:
    """What we write of Keras and TensorFlow the real mlflow reads, and the reverse."""
    session.install("-e", ".[keras]", *group("tests"), "tensorflow-cpu")
    python = real_mlflow(session, "mlflow>=3.17,<4", "tensorflow-cpu")
    env = {**test_environment(session), "TRACKLET_MLFLOW_PYTHON": python}
    place = ["-m", "interop", "tests/interop/test_keras.py"]
    session.run("pytest", TIMEOUT, *place, *session.posargs, env=env)


@nox.session
def dialect(session: nox.Session) -> None:
    """Libraries that report to MLflow record with us what they record with it."""
    testing = ["pytest>=8.0", "pytest-timeout>=2.3", "pytest-xdist>=3.5"]
    session.install("-e", ".[sklearn]", *testing, *REPORTING)
    session.install("--no-deps", "kedro-mlflow>=2.0")  # which would bring mlflow
    # The same libraries, seen from an environment that has mlflow besides.
    here = session.run(
        "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", silent=True
    )
    python = real_mlflow(session, "mlflow>=3.17,<4", sees=str(here).strip())
    session.run(
        "pytest",
        TIMEOUT,
        *workers(),
        "tests/dialect",
        *session.posargs,
        env={**test_environment(session), "TRACKLET_DIALECT_PYTHON": python},
    )


@nox.session
def api(session: nox.Session) -> None:
    """No answer of the server's is an error of its own or one that its description lacks."""
    session.install("-e", ".[server]", "schemathesis>=4,<5")
    folder = scratch(session)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    place = ["--backend-store-uri", str(folder / "record")]
    command = [f"{session.bin}/tracklet", "server", "--port", port, *place]
    server = subprocess.Popen(command, cwd=folder)
    checks = "--checks=not_a_server_error,status_code_conformance"
    try:
        session.run(
            "schemathesis",
            "run",
            f"http://127.0.0.1:{port}/openapi.json",
            "--wait-for-schema=60",
            "--phases=coverage,fuzzing",
            "--max-examples=10",
            checks,
            *session.posargs,
        )
    finally:
        server.terminate()
        server.wait(60)


@nox.session
def bench(session: nox.Session) -> None:
    """What tracklet costs, as ratios to a floor measured in the same run."""
    install_built(session, f".[{EXTRAS}]")
    session.run("python", "benchmarks", *session.posargs, env=clean_environment(session))


@nox.session
def docs(session: nox.Session) -> None:
    """Every relative link of the documents leads somewhere, and their examples run."""
    session.install("-e", f".[{EXTRAS}]", *group("tests"))
    session.run("pytest", "tests/docs", env=test_environment(session))


@nox.session
def build(session: nox.Session) -> None:
    """The distributions, checked and installed from the wheel."""
    session.install(*group("build"))
    dist = scratch(session)
    for old in dist.glob("tracklet-*"):
        old.unlink()
    session.run("python", "-m", "build", "--outdir", str(dist))
    artifacts = [str(path) for path in sorted(dist.glob("tracklet-*"))]
    session.run("twine", "check", "--strict", *artifacts)
    (wheel,) = dist.glob("tracklet-*.whl")
    session.install(str(wheel))
    session.run("tracklet", "plugins", env=clean_environment(session))
