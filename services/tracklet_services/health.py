"""Where things are, and whether they work: what ``tracklet doctor`` and its page say."""

from __future__ import annotations

import os
import platform
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import tracklet
from tracklet import plugins, settings
from tracklet.stores import open_store
from tracklet_services.masking import mask

_SHOWN = 20
_SECRET = re.compile(r"PASSWORD|TOKEN|SECRET|CREDENTIAL|KEY|AUTH", re.IGNORECASE)
_WAYS_OUT = {
    "record": "Name another place by --tracking-uri or TRACKLET_TRACKING_URI, or give this user "
    "the right to write there.",
    "left out": "Mend or move what is named; everything else is found without it. "
    "`tracklet index rebuild` reads a folder anew.",
    "cache folder": "Make it writable, or name another one by TRACKLET_CACHE_DIR.",
    "dependencies": "Install what is missing: pip install --upgrade tracklet",
    "plugins": "`tracklet plugins` says why each of them is not used.",
}


def examined(uri: str) -> dict[str, Any]:
    """Where things are, and whether they work, of a record; secrets are masked.

    Args:
        uri: Where the record is.
    """
    registry = settings.registry_uri()
    facts = {
        "tracklet": version("tracklet"),
        "python": f"{platform.python_version()} ({sys.executable})",
        "platform": platform.platform(),
        "tracking_uri": mask(uri),
        "registry_uri": mask(uri if registry == settings.tracking_uri() else registry),
        "cache_folder": str(settings.cache_dir()),
        "config_folder": str(settings.config_dir()),
    }
    checks = {
        "record": _attempt(lambda: _check_record(uri)),
        "left out": _attempt(lambda: _check_left_out(uri)),
        "cache folder": _attempt(lambda: _check_writable(settings.cache_dir())),
        "dependencies": _attempt(_check_dependencies),
        "plugins": _attempt(_check_plugins),
    }
    for name, check in checks.items():
        if not check["ok"]:
            check["way_out"] = _WAYS_OUT[name]
    environment = {
        name: "***" if _SECRET.search(name) else mask(value)
        for name, value in sorted(os.environ.items())
        if name.startswith(("TRACKLET_", "MLFLOW_"))
    }
    healthy = all(check["ok"] for check in checks.values())
    return {"healthy": healthy, "facts": facts, "environment": environment, "checks": checks}


class _Problem(Exception):
    """A check's bad news."""


def _attempt(check: Callable[[], str]) -> dict[str, Any]:
    try:
        return {"ok": True, "message": check()}
    except Exception as error:  # noqa: BLE001 - whatever is wrong is what was asked for
        name = "" if isinstance(error, _Problem) else f"{type(error).__name__}: "
        return {"ok": False, "message": mask(f"{name}{error}")}


def _check_record(uri: str) -> str:
    folder = settings.local_path(uri)
    if folder is not None and not folder.exists():
        # Looking must not create it.
        _check_writable(folder)
        return f"{folder} does not exist yet; the first run creates it"
    client = tracklet.TrackletClient(uri)
    experiments = client.search_experiments(max_results=1000)
    ids = [experiment.experiment_id for experiment in experiments]
    latest = client.search_runs(ids, max_results=1) if ids else []
    last = f"the latest run is {latest[0].info.run_id}" if latest else "no runs yet"
    if folder is not None:
        _check_writable(folder)
    more = " or more" if experiments.token else ""
    return f"{len(experiments)}{more} experiments, {last}"


def _check_left_out(uri: str) -> str:
    folder = settings.local_path(uri)
    found = open_store(uri).left_out() if not folder or folder.exists() else []
    if found:
        shown = [f"{path}: {reason}" for path, reason in found[:_SHOWN]]
        more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise _Problem(
            f"{len(found)} cannot be read and are in no search: {'; '.join(shown)}{more}"
        )
    return "nothing: all of the record can be read"


def _check_writable(folder: Path) -> str:
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise _Problem(f"{existing} is not writable: {error}") from error
    return "writable"


def _check_dependencies() -> str:
    from packaging.requirements import Requirement

    found, wrong = [], []
    for line in requires("tracklet") or []:
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            wrong.append(f"{requirement.name} is not installed")
            continue
        found.append(f"{requirement.name} {installed}")
        if not requirement.specifier.contains(installed, prereleases=True):
            wrong.append(f"{requirement.name} {installed} is installed, needed is {requirement}")
    if wrong:
        raise _Problem("; ".join(wrong))
    return ", ".join(found)


def _check_plugins() -> str:
    found = plugins.describe()
    broken = [info for info in found if info.state == "broken"]
    if broken:
        names = ", ".join(f"{info.name} ({info.group})" for info in broken)
        raise _Problem(f"{len(broken)} broken: {names}; `tracklet plugins` says why")
    counts = Counter(info.state for info in found)
    return ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
