"""The part of the contract on fresh processes: orders of import, odd frameworks."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from tracklet import plugins
from tracklet_testing.integration.trainings import Trainings


class OrderingContract(Trainings):
    """In whichever order things are imported, enabled, disabled and uninstalled."""

    orderings: ClassVar[Mapping[str, bool]] = {
        "import": False,
        "enable import": True,
        "import enable": True,
        "enable import disable": False,
        "import enable disable": False,
        "enable disable import": False,
        "enable import disable enable": True,
        "disable generic import": False,
        "import disable generic": False,
        "generic import": True,
        "generic generic_off import": False,
        "import enable generic_off": False,
        "enable enable import": True,
        "import enable enable disable": False,
        "import disable": False,
        "import enable disable enable disable": False,
        "enable uninstall": False,
        "enable import reload": True,
    }
    """What may be done before training, in fresh processes; and whether it is recorded then."""

    brought_by: ClassVar[tuple[str, ...]] = ()
    """Libraries that the framework needs, but that import it themselves."""

    def test_orderings_of_import_enable_and_disable(
        self, tracklet_home: Path, tmp_path: Path
    ) -> None:
        """In whichever order, training is recorded if and only if it should be."""
        strict = {**os.environ, "TRACKLET_STRICT": "1"}
        case = {
            "name": self.name,
            "modules": self.modules,
            "training": textwrap.dedent(self.training),
            "told": str(tmp_path / "told"),
            "brought_by": self.brought_by,
        }
        # Forks of one process have imported once what the framework needs.
        every = [*self.orderings]
        together = [every] if hasattr(os, "fork") else [[each] for each in every]
        for orderings in together:
            given = json.dumps({**case, "orderings": orderings})
            seconds = self.process_timeout * len(orderings)
            self._printed(_ORDERING_SCRIPT, input=given, env=strict, timeout=seconds)
        found = [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()]
        runs = [0, *(each["runs"] for each in found)]
        recorded = {
            each["ordering"]: after > before
            for each, (before, after) in zip(found, itertools.pairwise(runs), strict=True)
        }
        assert recorded == self.orderings
        assert [each["ordering"] for each in found if each["imported_by_us"]] == []

    def test_a_framework_shadowed_by_an_empty_module_is_broken_and_harmless(
        self, tracklet_home: Path, tmp_path: Path
    ) -> None:
        """A file of the user's with the framework's name breaks nothing but the integration."""
        status = self._status_with(tmp_path / "shadow", "")
        assert status.split(":")[0].strip() not in ("active", "")

    def test_an_unsupported_version_is_declined(self, tracklet_home: Path, tmp_path: Path) -> None:
        """A version that ``requires`` excludes is not watched, and the status says why."""
        plugin = plugins.load("integrations", self.name)
        if plugin.requires:
            status = self._status_with(tmp_path / "old", "__version__ = '0.0.1'\n")
            assert status.startswith("declined")

    def _status_with(self, folder: Path, source: str) -> str:
        """The integration's status where the framework is a module of that source text."""
        folder.mkdir()
        name = self.modules[0].partition(".")[0]
        (folder / f"{name}.py").write_text(source)
        lines = (
            f"import sys; sys.path.insert(0, {str(folder)!r})",
            f"from tracklet import autolog; autolog.enable({self.name!r})",
            f"import {name}",
            f"print(autolog.status()[{self.name!r}])",
        )
        return self._printed("\n".join(lines))

    def _printed(self, program: str, **options: Any) -> str:
        """What a program prints in a fresh process."""
        finished = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=False,
            **{"timeout": self.process_timeout, **options},
        )
        assert finished.returncode == 0, finished.stderr
        return finished.stdout.strip()


_ORDERING_SCRIPT = """
import contextlib, importlib, json, os, sys
case = json.load(sys.stdin)
framework = {module.partition(".")[0] for module in case["modules"]}


class Uninstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in framework:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def told(ordering):
    # What comes of an ordering, in a process that has imported neither the framework nor us.
    import tracklet
    from tracklet import autolog

    imported_by_us = []
    for step in ordering.split():
        before = set(sys.modules)
        if step == "import":
            for module in case["modules"]:
                importlib.import_module(module)
            continue
        if step == "uninstall":
            sys.meta_path.insert(0, Uninstalled())
        elif step == "reload":
            for module in case["modules"]:
                importlib.reload(sys.modules[module])
        elif step == "enable":
            autolog.enable(case["name"])
        elif step == "disable":
            autolog.enable(case["name"], disable=True)
        elif step == "generic":
            tracklet.autolog()
        elif step == "generic_off":
            tracklet.autolog(disable=True)
        imported_by_us += framework & (set(sys.modules) - before)
    names = {}
    exec(case["training"], names)
    try:
        names["train"]()
    except ModuleNotFoundError:
        assert "uninstall" in ordering
    client = tracklet.TrackletClient()
    ids = [each.experiment_id for each in client.search_experiments()]
    runs = len(client.search_runs(ids))
    found = {"ordering": ordering, "runs": runs, "imported_by_us": imported_by_us}
    with open(case["told"], "a") as file:
        print(json.dumps({**found, "modules": [*sys.modules]}), file=file)


def import_what_the_framework_needs():
    with open(case["told"]) as file:
        needed = json.loads(file.readline())["modules"]
    theirs = {*framework, *case["brought_by"]}
    for module in needed:
        if module.partition(".")[0] not in theirs and not module.startswith("tracklet"):
            with contextlib.suppress(ImportError):
                importlib.import_module(module)
    assert not framework & set(sys.modules)


*forked, last = case["orderings"]
for ordering in forked:
    child = os.fork()
    if child == 0:
        told(ordering)
        sys.exit()
    assert os.waitpid(child, 0)[1] == 0, ordering
    if ordering is forked[0]:
        import_what_the_framework_needs()
told(last)
"""
