"""Plugins use core's public modules and public names only."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(
    path
    for package in ("integrations/tracklet_integrations", "flavors/tracklet_flavors")
    for path in (ROOT / package).rglob("*.py")
)


def names_imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_plugin_imports_no_private_name_of_the_core(path: Path) -> None:
    private = [
        name
        for name in names_imported(ast.parse(path.read_text()))
        if name.startswith("tracklet.") and any(part.startswith("_") for part in name.split("."))
    ]
    assert private == []


@pytest.mark.parametrize(
    "path", [path for path in FILES if "flavors" in path.parts], ids=lambda path: path.parts[-2]
)
def test_a_flavor_imports_nothing_that_a_models_files_name(path: Path) -> None:
    """Only ``tracklet.models.trust.class_named`` does, which asks first."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    names = {ast.unparse(node.func).rpartition(".")[2] for node in calls}
    assert not names & {"import_module", "__import__", "find_spec", "exec", "eval"}
