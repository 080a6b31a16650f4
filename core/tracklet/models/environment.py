"""What a model needs in order to run: requirements and the files that list them.

Requirements come from the modules that the model really uses (the globals that its pickle names)
and from its flavor; versions from the installed metadata, whose answers are remembered for the
life of the process. No child process is started.
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import logging
import os
import platform
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Final, NamedTuple

import tracklet
from tracklet.errors import InvalidParameterValue
from tracklet.frozen import Frozen
from tracklet.models.flavor import flavor as flavor_named
from tracklet.models.model import dump_yaml, load_yaml

_logger = logging.getLogger(__name__)
_OURS: Final = frozenset(("tracklet", "mlflow", "mlflow-skinny"))

REQUIREMENTS: Final = "requirements.txt"
CONSTRAINTS: Final = "constraints.txt"
CONDA: Final = "conda.yaml"
PYTHON_ENV: Final = "python_env.yaml"

# Modules whose distribution has another name than they have themselves. Others are looked up in
# the metadata of all installed distributions, which takes longer.
_ALIASES: Final = {
    "PIL": "pillow",
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "PyYAML",
}

# Distributions that bring the same modules as another does.
_VARIANTS: Final = {
    "opencv-python": ("opencv-python-headless", "opencv-contrib-python"),
    "tensorflow": ("tensorflow-cpu", "tensorflow-intel", "tensorflow-macos"),
    "xgboost": ("xgboost-cpu",),
}

_OWN_MODULES: Final = frozenset(
    (
        "__main__",
        "mlflow",
        "tracklet",
        "tracklet_flavors",
        "tracklet_integrations",
        "tracklet_services",
        "tracklet_testing",
    )
)

# Never a requirement of a model: the standard library, ourselves and what installs packages.
_NEVER: Final = _OWN_MODULES.union(
    ("_pytest", "conftest", "pip", "pkg_resources", "pytest", "setuptools", "wheel")
)


@functools.cache
def version(distribution: str) -> str | None:
    """The version of an installed distribution, or of a variant of it; None if there is none."""
    for name in (distribution, *_VARIANTS.get(distribution, ())):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


@functools.cache
def distribution_of(module: str) -> str | None:
    """The distribution of a module's top-level package; None if it has none of interest.

    Args:
        module: A dotted name; the module need not be imported.
    """
    top = module.partition(".")[0]
    if top in _NEVER or top in sys.stdlib_module_names or not top:
        return None
    for candidate in (_ALIASES.get(top), top, top.replace("_", "-")):
        if candidate is not None and version(candidate) is not None:
            return candidate
    loaded = sys.modules.get(top)
    if loaded is not None and "site-packages" not in str(getattr(loaded, "__file__", "") or ""):
        return None  # a module of the user's own
    found = _packages_distributions().get(top)
    return found[0] if found else None


_packages_distributions = functools.cache(importlib.metadata.packages_distributions)


def pinned(distribution: str) -> str:
    """The requirement that pins a distribution to what is installed.

    The local part of a version (``2.1.0+cu121``) is left out: no index has it.
    """
    found = version(distribution)
    return distribution if found is None else f"{distribution}=={found.partition('+')[0]}"


class Needs(NamedTuple):
    """What a model's modules come to, wherever in them something is imported.

    Args:
        modules: The names of all modules that are needed.
        own: The user's own among them: top-level name → a package's folder or a module's file.
    """

    modules: set[str]
    own: dict[str, Path]


def needs(modules: Iterable[str], code_paths: Iterable[str | Path] = ()) -> Needs:
    """The modules that a model refers to, and what the user's own among them import in turn.

    Nothing is imported; only those files of a package are read that are reached.

    Args:
        modules: Dotted names.
        code_paths: Files and folders of the user's own, where a name is looked for first.
    """
    given = {Path(path).stem: Path(path).resolve() for path in code_paths}
    waiting, found, own = [*modules], set[str](), dict[str, Path]()
    while waiting:
        name = waiting.pop()
        top = name.partition(".")[0]
        if name in found or top in _OWN_MODULES or top in sys.stdlib_module_names:
            continue
        found.add(name)
        place = own.get(top) or given.get(top) or _place(top)
        if place is not None:
            own[top] = place
            waiting += (each for file in _files(place, name) for each in _imports(*file))
    return Needs(found, own)


def _files(place: Path, name: str) -> Iterator[tuple[Path, str]]:
    """The sources that run when a module is imported, with the package that each is in."""
    if place.is_file():
        yield place, ""
        return
    package, at, (_, *parts) = place.name, place, name.split(".")
    for part in (*parts, None):
        yield at / "__init__.py", package
        if part is None or not (at / part).is_dir():
            if part is not None:
                yield at / f"{part}.py", package
            return
        at, package = at / part, f"{package}.{part}"


def _imports(file: Path, package: str) -> set[str]:
    try:
        return source_modules(file.read_bytes(), package)
    except OSError:  # a folder without __init__.py; a name that is no module
        return set()


def source_modules(source: str | bytes, package: str = "") -> set[str]:
    """The modules that a Python source imports, also in functions; none if it does not parse.

    Args:
        source: The text.
        package: The dotted name of the package that it is in.
    """
    import ast

    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return set()
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            home = ".".join(filter(None, [*(above if node.level else ()), node.module]))
            # What is imported from a package may be a module as well.
            found |= {home, *(f"{home}.{alias.name}" for alias in node.names)} if home else set()
    return found


def code_modules(code: CodeType) -> set[str]:
    """The modules that a function imports when it is called, by its compiled code."""
    inner = (code_modules(each) for each in code.co_consts if isinstance(each, CodeType))
    if not code.co_names:
        return set().union(*inner)
    import dis

    steps = dis.get_instructions(code)
    return {step.argval for step in steps if step.opname == "IMPORT_NAME"}.union(*inner)


def _place(name: str) -> Path | None:
    """The folder or file of a top-level module of the user's own; None for any other."""
    loaded = sys.modules.get(name)
    try:
        spec = loaded.__spec__ if isinstance(loaded, ModuleType) else importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None
    if spec is None:
        return None
    places = spec.submodule_search_locations  # a package's, with __init__.py or without
    found = next(iter(places), None) if places is not None else spec.origin
    found = os.fspath(found) if found is not None else None  # a package may say it by a Path
    if found is None or "site-packages" in found or (places is None and not found.endswith(".py")):
        return None
    place = Path(found).resolve()
    roots = _installed_roots(tuple(sys.path))
    return None if any(place.is_relative_to(root) for root in roots) else place


@functools.lru_cache(maxsize=1)
def _installed_roots(path: tuple[str, ...]) -> set[Path]:
    import sysconfig

    names = ("stdlib", "platstdlib", "purelib", "platlib")
    roots = {Path(sysconfig.get_path(name)).resolve() for name in names}
    packages = {"site-packages", "dist-packages"}
    return roots | {Path(entry).resolve() for entry in path if Path(entry).name in packages}


def inferred(modules: Iterable[str], declared: Iterable[str] = ()) -> list[str]:
    """Pinned requirements, sorted, with tracklet itself first.

    Args:
        modules: Modules that the model uses.
        declared: Requirements that its flavor declares; names without a version are pinned.
    """
    pins: dict[str, str] = {}
    for module in modules:
        name = distribution_of(module)
        if name is not None:
            pins[_canonical(name)] = pinned(name)
    for requirement in declared:
        name = _name(requirement)
        bare = name == requirement.strip()
        pins[_canonical(name)] = pinned(requirement) if bare else requirement
    return [own_requirement(), *sorted(pins.values(), key=str.lower)]


def default_requirements(
    flavor: str, include_cloudpickle: bool = False, include_skops: bool = False
) -> list[str]:
    """What models of a flavor need, whatever they are, pinned.

    Args:
        flavor: The flavor's name.
        include_cloudpickle: Whether cloudpickle is one of them.
        include_skops: Whether skops is.

    Raises:
        PluginError: There is no such flavor.
    """
    home = flavor_named(flavor)
    names = [*home.requirements(None)] or [_name(home.requires)] * bool(home.requires)
    names += ["cloudpickle"] * include_cloudpickle + ["skops"] * include_skops
    return [pinned(name) for name in dict.fromkeys(names)]


def default_conda_env(
    flavor: str, include_cloudpickle: bool = False, include_skops: bool = False
) -> dict[str, Any]:
    """A conda environment with :func:`default_requirements` and tracklet itself."""
    needed = default_requirements(flavor, include_cloudpickle, include_skops)
    return _conda([own_requirement(), *needed])


def own_requirement() -> str:
    """The requirement on tracklet itself."""
    return f"tracklet=={own_version()}"


@functools.cache
def own_version() -> str:
    """The version of tracklet that writes."""
    return version("tracklet") or str(getattr(tracklet, "__version__", "0"))


def _name(requirement: str) -> str:
    match = re.match(r"\s*([A-Za-z0-9][\w.-]*)", requirement)
    return match.group(1) if match else requirement.strip()


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


class Environment(Frozen):
    """The environment of a model, ready to be written.

    Args:
        requirements: Lines of ``requirements.txt``.
        constraints: Lines of ``constraints.txt``; no file if there are none.
        conda: The content of ``conda.yaml``; made from the requirements by default.
    """

    requirements: list[str]
    constraints: Sequence[str] = ()
    conda: Mapping[str, Any] | None = None

    def lines(self) -> list[str]:
        """The text of ``requirements.txt``, which names ``constraints.txt`` if there are any."""
        return [*self.requirements, *([f"-c {CONSTRAINTS}"] if self.constraints else ())]

    def content(self) -> Mapping[str, Any]:
        """The content of ``conda.yaml``."""
        return self.conda if self.conda is not None else _conda(self.lines())

    def write(self, folder: Path) -> None:
        """Write ``requirements.txt``, ``conda.yaml``, ``python_env.yaml``, ``constraints.txt``."""
        files = {
            REQUIREMENTS: "\n".join(self.lines()),
            CONDA: _conda_text(*self.lines()) if self.conda is None else _yaml(self.conda),
            PYTHON_ENV: python_environment(),
        }
        if self.constraints:
            files[CONSTRAINTS] = "\n".join(self.constraints)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")


def _conda(lines: Sequence[str]) -> dict[str, Any]:
    pip = version("pip")
    return {
        "channels": ["conda-forge"],
        "dependencies": [
            f"python={platform.python_version()}",
            f"pip<={pip}" if pip else "pip",
            {"pip": list(lines)},
        ],
        "name": "mlflow-env",
    }


@functools.lru_cache(16)
def _conda_text(*lines: str) -> str:
    """The same for all models of a loop."""
    return _yaml(_conda(lines))


def _yaml(content: Mapping[str, Any]) -> str:
    return dump_yaml(content, sort_keys=False)


@functools.cache
def python_environment() -> str:
    """The text of ``python_env.yaml``: this Python, and a model's requirements."""
    build = [pinned(name) for name in ("pip", "setuptools")]
    content = {
        "python": platform.python_version(),
        "build_dependencies": [*build, "wheel"],
        "dependencies": [f"-r {REQUIREMENTS}"],
    }
    return _yaml(content)


def check(
    conda_env: Any,
    pip_requirements: Any,
    extra_pip_requirements: Any,
) -> None:
    """Check that the ways to say an environment do not contradict each other.

    Raises:
        ValueError: More than one of them is given.
    """
    if conda_env is not None and (
        pip_requirements is not None or extra_pip_requirements is not None
    ):
        raise ValueError(
            "conda_env says the whole environment; give it alone, without pip_requirements and "
            "extra_pip_requirements"
        )
    if pip_requirements is not None and extra_pip_requirements is not None:
        raise ValueError("give pip_requirements or extra_pip_requirements, not both")


def described(
    infer: Any,
    conda_env: str | Path | Mapping[str, Any] | None = None,
    pip_requirements: str | Path | Iterable[str] | None = None,
    extra_pip_requirements: str | Path | Iterable[str] | None = None,
) -> Environment:
    """The environment by precedence: ``conda_env``, ``pip_requirements``, what ``infer()`` finds.

    Raises:
        ValueError: More than one way is used.
        InvalidParameterValue: A requirement is malformed, or a file is missing.
    """
    check(conda_env, pip_requirements, extra_pip_requirements)
    if conda_env is not None:
        content = _conda_content(conda_env)
        pip = [
            line
            for item in content.get("dependencies") or ()
            if isinstance(item, Mapping)
            for line in item.get("pip") or ()
        ]
        return Environment([str(line) for line in pip], conda=content)
    if pip_requirements is not None:
        lines, constraints = _parsed(pip_requirements)
        ours = any(_canonical(_name(line)) in ("tracklet", "mlflow") for line in lines)
        return Environment(lines if ours else [own_requirement(), *lines], constraints)
    found = infer()
    if extra_pip_requirements is None:
        return Environment(found)
    extra, constraints = _parsed(extra_pip_requirements)
    named = {_canonical(_name(line)) for line in extra if not line.startswith("-")}
    kept = [line for line in found if _canonical(_name(line)) not in named]
    return Environment([*kept, *extra], constraints)


def _conda_content(conda_env: str | Path | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(conda_env, Mapping):
        return dict(conda_env)
    path = Path(conda_env)
    content = load_yaml(_file_text(path, "conda_env"), path)
    if not isinstance(content, dict):
        raise InvalidParameterValue(f"conda_env {str(path)!r} holds no mapping")
    return content


def _file_text(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidParameterValue(f"{what} names {str(path)!r}, which is no file") from error


def _parsed(given: str | Path | Iterable[str]) -> tuple[list[str], list[str]]:
    """Requirements and constraints out of a file's path or of lines; ``-r`` and ``-c`` followed."""
    if isinstance(given, str | Path):
        return _lines(_file_text(Path(given), "a requirements argument"), Path(given).parent)
    return _lines("\n".join(str(line) for line in given), Path())


def _lines(text: str, folder: Path) -> tuple[list[str], list[str]]:
    from packaging.requirements import InvalidRequirement, Requirement

    requirements: list[str] = []
    constraints: list[str] = []
    for raw in text.splitlines():
        line = re.sub(r"(^|\s)#.*$", "", raw).strip()
        if not line:
            continue
        option, _, value = line.partition(" ")
        if option in ("-r", "--requirement", "-c", "--constraint"):
            path = folder / value.strip()
            found, bound = _lines(_file_text(path, option), path.parent)
            if option in ("-r", "--requirement"):
                requirements += found
                constraints += bound
            else:
                constraints += found
            continue
        if not line.startswith("-") and "://" not in line and not Path(line).exists():
            try:
                Requirement(line)
            except InvalidRequirement as error:
                raise InvalidParameterValue(f"{line!r} is no pip requirement: {error}") from error
        requirements.append(line)
    return requirements, constraints


def differences(folder: Path) -> list[str]:
    """What of a model's requirements is not met, in words; nothing where it says nothing.

    Args:
        folder: The model's folder, with ``requirements.txt``.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        lines = (folder / REQUIREMENTS).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    found = []
    for line in lines:
        try:
            requirement = Requirement(line.partition(" #")[0].strip())
        except InvalidRequirement:  # an option, a path, a comment
            continue
        if requirement.name.lower() in _OURS:
            continue
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        here = version(requirement.name)
        if here is None:
            found.append(f"{requirement.name} is not installed (the model's: {line.strip()})")
        elif not requirement.specifier.contains(here.partition("+")[0], prereleases=True):
            found.append(f"{requirement.name} is {here} (the model's: {requirement.specifier})")
    return found


def warn_of_differences(folder: Path) -> None:
    """Write one warning that names all differences; none if there are none."""
    found = differences(folder)
    if found:
        _logger.warning(
            "the model in %s was saved under other versions than are installed: %s. Its "
            "predictions may differ; `pip install -r %s` brings its own",
            folder,
            "; ".join(found),
            folder / REQUIREMENTS,
        )
