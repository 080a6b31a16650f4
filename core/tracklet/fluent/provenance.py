"""What a run was made of: its script, what of the code is not committed, packages and machine.

Below ``tracklet/`` among the run's artifacts:

- ``code/<script>``: the script as it was when the run started.
- ``code/uncommitted.patch``: what differs from the last commit.
- ``packages.txt``: what is installed, a requirement a line.
- ``machine.json``: command line, parsed arguments, Python, host, processors, memory, GPUs.

All of it is written when a run of some seconds ends, for it takes milliseconds, and a thread that
did it beside the training would make every fork warn. Values of names that sound like secrets are
masked.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from tracklet import lazy
from tracklet.state import remembered

if TYPE_CHECKING:
    from tracklet.fluent.active import ActiveRun

# In bytes; of a longer script or patch only so much is kept.
MOST_TEXT: Final = 1_000_000
# In seconds, how long git may take.
PATIENCE: Final = 5

# A tokenizer and max_tokens are none. The bounds keep the time linear in the text.
_SECRET: Final = (
    r"[\w-]{0,80}(?:passw(?:or)?d|passwd|secret|credential)[\w-]{0,80}"
    r"|(?:[\w-]{0,80}[_-])?token|[\w-]{0,80}(?:api|access|private)[_-]?key"
)
_ASSIGNED = re.compile(
    rf"""(?i)((?<![\w-])(?:{_SECRET})["']?\]?\s*(?::[\w.\[\], |]{{1,80}}=|[=:])\s*)"""
    r"""[rbfu]{0,2}("{3}(?s:.*?)"{3}|'{3}(?s:.*?)'{3}"""
    r"""|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')"""
)
_ARGUMENT = re.compile(rf"(?i)([+~]*(?:[\w-]+[./])*(?:{_SECRET}))(=.*)?", re.DOTALL)
# Their own options are not the program's.
_PARSERS: Final = ("fire", "hydra")
_USER_INFO = re.compile(r"(?<=://)[^/@\s]*@")

_logger = lazy.logger(__name__)


def keep(run: ActiveRun, script: tuple[str, bytes] | None) -> None:
    """Keep what a run was made of.

    Args:
        run: The run, which ends now.
        script: Where the script lies, and its text when the run started; None if there is none.
    """
    _keep(run, "packages.txt", "".join(f"{each}\n" for each in _packages()))
    _keep(run, "machine.json", json.dumps(_machine(), indent=2, default=str) + "\n")
    if script is None:
        return
    place, text = Path(script[0]), script[1].decode(errors="replace")
    _keep(run, f"code/{place.name}", masked(text))
    branch, remote, patch = _git(place.parent)
    tags = {
        "mlflow.source.git.branch": branch,
        "mlflow.source.git.repoURL": remote,
        "mlflow.source.git.dirty": None if patch is None else str(bool(patch)).lower(),
    }
    run.writer.set_tags({key: value for key, value in tags.items() if value})
    if patch:
        _keep(run, "code/uncommitted.patch", patch)


def masked(text: str) -> str:
    """The text without the values of what is named like a secret, and without users in URLs."""
    return _USER_INFO.sub("", _ASSIGNED.sub(r"\1***", text))


def masked_arguments(arguments: Iterable[str]) -> list[str]:
    """A command line without secrets: ``--token x`` and ``--token=x`` alike."""
    found: list[str] = []
    hides = False
    for each in arguments:
        named = _ARGUMENT.fullmatch(each)
        if hides:
            found.append("***")
        elif named and named[2]:
            found.append(f"{named[1]}=***")
        else:
            found.append(masked(each))
        hides = bool(named) and not named[2] and each.startswith("-")
    return found


def _keep(run: ActiveRun, name: str, text: str) -> None:
    from tracklet.client import TrackletClient

    TrackletClient(run.store.uri).log_text(run.info.run_id, text, f"tracklet/{name}")


def _git(folder: Path) -> tuple[str | None, str | None, str | None]:
    """Branch, remote and patch of the work tree that a folder lies in; None for what is not."""
    asked: Sequence[Sequence[str]] = (
        ("rev-parse", "--abbrev-ref", "HEAD"),
        ("config", "--get", "remote.origin.url"),
        ("diff", "HEAD", "--no-color", "--no-ext-diff", "--no-textconv"),
    )
    found: list[str | None] = []
    for question in asked:
        try:
            done = subprocess.run(
                ["git", "-c", "core.fsmonitor=false", *question],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=PATIENCE,
                env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
                check=False,
            )
        except (OSError, subprocess.SubprocessError):
            return None, None, None
        text = done.stdout[:MOST_TEXT].decode(errors="replace")
        found.append(masked(text) if done.returncode == 0 else None)
    branch, remote, patch = found
    return branch and branch.strip(), remote and remote.strip(), patch


@remembered
def _packages() -> list[str]:
    """What is installed where this process imports from, told by the names of its metadata."""
    found: set[str] = set()
    for folder in dict.fromkeys(sys.path):
        try:
            names = os.listdir(folder or ".")
        except OSError:
            continue
        for name in names:
            if name.endswith(".dist-info"):
                project, _, version = name.removesuffix(".dist-info").partition("-")
                found.add(f"{project.replace('_', '-').lower()}=={version}")
    return sorted(found)


def _machine() -> dict[str, Any]:
    return {
        "command": masked_arguments(sys.argv),
        "arguments": _parsed_arguments(),
        "folder": os.getcwd(),
        "python": platform.python_version(),
        "executable": sys.executable,
        "platform": platform.platform(),
        "host": platform.node(),
        "processors": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "memory_bytes": _memory(),
        "gpus": _gpus(),
    }


def _parsed_arguments() -> dict[str, Any]:
    """What the command line was parsed into.

    argparse, click and fire leave it where the run ends: in the names of the functions that are
    called just then, or of the script. Hydra keeps the whole configuration in the folder of its
    job, of which a key of groups is written with dots.
    """
    found: dict[str, Any] = {}
    for look in (_argparse, _click, _fire, _hydra):
        with contextlib.suppress(Exception):  # other people's objects, which may do anything
            found |= {
                name: "***" if _ARGUMENT.fullmatch(name) else masked(str(given))
                for name, given in look().items()
            }
    return found


def _frames() -> Iterator[FrameType]:
    """What is called just now, outermost first; not our calls, which would keep themselves."""
    frames: list[FrameType] = []
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_globals is not globals():
            frames.append(frame)
        frame = frame.f_back
    return reversed(frames)


def _names(frame: FrameType) -> dict[str, Any]:
    """What a call that goes on has in its names.

    Until Python 3.13 its frame keeps what was read, so that nothing of it would be freed before the
    call ends, and as the very dictionary that ``locals()`` gave there, so that it would change.
    """
    code = frame.f_code
    lasts = sys.version_info < (3, 13) and bool(code.co_flags & inspect.CO_OPTIMIZED)
    if lasts and not {"locals", "vars"}.isdisjoint(code.co_names):
        return {}
    kept = frame.f_locals
    found = dict(kept)
    if lasts and sys.gettrace() is None:  # a debugger writes what is kept back
        kept.clear()
    return found


def _argparse() -> dict[str, Any]:
    argparse: Any = sys.modules.get("argparse")
    if argparse is None:
        return {}
    scopes = [vars(sys.modules["__main__"])]
    for frame in _frames():
        if frame.f_globals.get("__name__", "").partition(".")[0] not in _PARSERS:
            scopes.append(_names(frame))
    found: dict[str, Any] = {}
    for scope in scopes:
        for value in list(scope.values()):
            if type(value) is argparse.Namespace:
                found |= vars(value)
    return found


def _click() -> dict[str, Any]:
    click: Any = sys.modules.get("click")
    context = click and click.get_current_context(silent=True)
    found: dict[str, Any] = {}
    while context:
        # What a command takes wins over what the groups above it take.
        found = {**context.params, **found}
        context = context.parent
    return found


def _fire() -> dict[str, Any]:
    fire: Any = sys.modules.get("fire.core")
    found: dict[str, Any] = {}
    for frame in _frames() if fire else ():
        if frame.f_code is fire._CallAndUpdateTrace.__code__:
            names = _names(frame)
            if {"fn", "varargs", "kwargs"} <= names.keys():
                fn, given, named = (names[name] for name in ("fn", "varargs", "kwargs"))
                bound = inspect.signature(fn).bind(*given, **named)
                bound.apply_defaults()
                found |= bound.arguments
    return found


def _hydra() -> dict[str, Any]:
    hydra: Any = sys.modules.get("hydra.core.hydra_config")
    if hydra is None or not hydra.HydraConfig.initialized():
        return {}
    job = hydra.HydraConfig.get()
    # Hydra writes it before it calls the task; where it does not, there are the overrides.
    if job.output_subdir is not None:
        file = Path(job.runtime.output_dir, job.output_subdir, "config.yaml")
        if file.is_file():
            omegaconf: Any = sys.modules["omegaconf"]
            composed = omegaconf.OmegaConf.load(file)
            return dict(_flat(omegaconf.OmegaConf.to_container(composed, resolve=False)))
    return dict(each.lstrip("+~").partition("=")[::2] for each in job.overrides.task)


def _flat(given: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """Keys with dots, and the values that are no groups."""
    if isinstance(given, dict) and given:
        for key, value in given.items():
            yield from _flat(value, f"{above}.{key}" if above else str(key))
    else:
        yield above, given


def _memory() -> int | None:
    """The machine's memory, or what a container lets the process have of it."""
    found = []
    if hasattr(os, "sysconf"):
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for place in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            found.append(int(Path(place).read_text()))
        except (OSError, ValueError):  # not there, or "max"
            continue
    return min(found, default=None)


def _gpus() -> list[str]:
    """The names of NVIDIA's GPUs, as the driver tells them without being started."""
    found = []
    for place in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        try:
            lines = place.read_text().splitlines()
        except OSError:
            continue
        found += [line.partition(":")[2].strip() for line in lines if line.startswith("Model:")]
    return found
