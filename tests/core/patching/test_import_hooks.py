"""Import hooks tell of imports, and leave imports as they are."""

from __future__ import annotations

import importlib
import sys
import threading
from pathlib import Path

import pytest

from tracklet.patching import when_imported


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / "toy_hooked"
    package.mkdir()
    (package / "__init__.py").write_text("state = 'complete'\n")
    (package / "part.py").write_text("def f():\n    return 1\n")
    (package / "broken.py").write_text("raise ValueError('broken')\n")
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("toy_hooked")]:
        del sys.modules[name]


def test_w51_callback_sees_the_complete_module_and_the_import_leaves_no_trace(folder):
    plain = importlib.import_module("toy_hooked")
    expected = type(plain.__loader__), sorted(vars(plain.__loader__))
    del sys.modules["toy_hooked"]
    meta_path = list(sys.meta_path)
    seen = []
    hook = when_imported("toy_hooked", lambda module: seen.append(module.state))
    assert seen == []
    assert "toy_hooked" not in sys.modules
    module = importlib.import_module("toy_hooked")
    assert seen == ["complete"]
    assert (type(module.__loader__), sorted(vars(module.__loader__))) == expected
    assert module.__spec__.loader is module.__loader__
    hook.cancel()
    hook.cancel()
    assert sys.meta_path == meta_path


def test_module_that_is_imported_already_fires_at_once(folder):
    importlib.import_module("toy_hooked")
    seen = []
    hook = when_imported("toy_hooked", seen.append)
    assert [module.__name__ for module in seen] == ["toy_hooked"]
    importlib.reload(sys.modules["toy_hooked"])
    assert len(seen) == 2
    hook.cancel()
    importlib.reload(sys.modules["toy_hooked"])
    assert len(seen) == 2


def test_submodule_is_told_apart_from_its_package(folder):
    seen = []
    hook = when_imported("toy_hooked.part", lambda module: seen.append(module.f()))
    importlib.import_module("toy_hooked")
    assert seen == []
    importlib.import_module("toy_hooked.part")
    assert seen == [1]
    hook.cancel()


def test_failing_callback_does_not_fail_the_import_nor_the_other_callbacks(folder, caplog):
    seen = []

    def fail(module):
        raise RuntimeError("ours")

    hooks = [when_imported("toy_hooked", fail), when_imported("toy_hooked", seen.append)]
    assert importlib.import_module("toy_hooked").state == "complete"
    assert len(seen) == 1
    assert "ours" in caplog.text
    for hook in hooks:
        hook.cancel()


def test_failing_import_raises_its_own_error_and_can_be_tried_again(folder):
    seen = []
    hook = when_imported("toy_hooked.broken", seen.append)
    with pytest.raises(ValueError, match="broken"):
        importlib.import_module("toy_hooked.broken")
    assert seen == []
    (folder / "toy_hooked" / "broken.py").write_text("fixed = True\n# longer than before\n")
    importlib.invalidate_caches()
    assert importlib.import_module("toy_hooked.broken").fixed
    assert len(seen) == 1
    hook.cancel()


def test_missing_module_stays_missing(folder):
    hook = when_imported("toy_hooked_missing", lambda module: None)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("toy_hooked_missing")
    hook.cancel()


def test_two_threads_that_import_the_same_module_fire_once(folder):
    seen = []
    hook = when_imported("toy_hooked", seen.append)
    threads = [
        threading.Thread(target=importlib.import_module, args=("toy_hooked",)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 1
    hook.cancel()
