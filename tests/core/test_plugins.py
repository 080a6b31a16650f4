"""The registry of plugins, over distributions written to disk for the test."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tracklet import plugins, state
from tracklet.errors import PluginError

Install = Callable[..., None]

FLAVOR = """
class ToyFlavor:
    name = {name!r}
    requires = {requires!r}
    modules = {modules!r}

    def owns(self, model): ...
    def save(self, model, path, options): ...
    def load(self, path, config): ...
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Put a distribution on the path: its metadata, and modules with the given sources."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(
        distribution: str, entry_points: dict[str, dict[str, str]], modules: dict[str, str]
    ) -> None:
        metadata = tmp_path / f"{distribution.replace('-', '_')}-1.2.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n"
        )
        lines = []
        for group, entries in entry_points.items():
            lines += [f"[tracklet.{group}]"]
            lines += [f"{name} = {target}" for name, target in entries.items()]
        (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")
        for name, source in modules.items():
            (tmp_path / f"{name}.py").write_text(source)
        state.forget("tracklet.plugins")

    state.forget("tracklet.plugins")
    yield install
    state.forget("tracklet.plugins")
    for name in [name for name in sys.modules if name.startswith("toy_")]:
        del sys.modules[name]


def flavor(name: str, requires: str = "", modules: tuple[str, ...] = ()) -> str:
    return FLAVOR.format(name=name, requires=requires, modules=modules)


def described(name: str, group: str = "flavors") -> plugins.PluginInfo:
    (info,) = [info for info in plugins.describe() if (info.group, info.name) == (group, name)]
    return info


def test_our_own_plugins_are_found_through_their_entry_points() -> None:
    assert "sklearn" in plugins.entry_points("integrations")
    assert {"sklearn", "python_function"} <= set(plugins.entry_points("flavors"))
    assert {"file", "sqlite", "postgresql"} <= set(plugins.entry_points("stores"))


def test_a_plugin_of_another_distribution_is_found_and_loaded(install: Install) -> None:
    install("toy-one", {"flavors": {"toy": "toy_one:ToyFlavor"}}, {"toy_one": flavor("toy")})
    assert plugins.load("flavors", "toy").name == "toy"
    assert described("toy") == plugins.PluginInfo(
        "flavors", "toy", "toy_one:ToyFlavor", "toy-one", "1.2", "active", ""
    )


def test_listing_imports_no_plugin(install: Install) -> None:
    install("toy-one", {"flavors": {"toy": "toy_one:ToyFlavor"}}, {"toy_one": flavor("toy")})
    assert "toy" in plugins.entry_points("flavors")
    assert "toy_one" not in sys.modules


def test_importing_the_registry_reads_no_metadata() -> None:
    code = "import sys, tracklet.plugins; sys.exit('importlib.metadata' in sys.modules)"
    path = os.pathsep.join(entry for entry in sys.path if entry)
    # Without site-packages' start-up files, which may read metadata on their own.
    subprocess.run(
        [sys.executable, "-S", "-c", code], check=True, env={**os.environ, "PYTHONPATH": path}
    )


def test_names_come_in_alphabetical_order(install: Install) -> None:
    install("toy-one", {"flavors": {"zz": "toy_one:Z", "aa": "toy_one:A"}}, {})
    names = list(plugins.entry_points("flavors"))
    assert names == sorted(names)


def test_a_name_claimed_by_two_distributions_is_refused_and_both_are_named(
    install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    install("toy-one", {"flavors": {"toy": "toy_one:ToyFlavor"}}, {"toy_one": flavor("toy")})
    install("toy-two", {"flavors": {"toy": "toy_two:ToyFlavor"}}, {"toy_two": flavor("toy")})
    assert "toy" not in plugins.entry_points("flavors")
    with pytest.raises(
        PluginError, match=r"claimed by .*toy-one 1.2.*toy-two 1.2|toy-two.*toy-one"
    ):
        plugins.load("flavors", "toy")
    states = [info for info in plugins.describe() if info.name == "toy"]
    assert [(info.distribution, info.state) for info in states] == [
        (info.distribution, "broken") for info in states
    ]
    assert {info.distribution for info in states} == {"toy-one", "toy-two"}
    assert "uninstall one of toy-one, toy-two" in caplog.text
    assert "sklearn" in plugins.entry_points("flavors")


def test_a_claim_on_one_of_our_names_is_refused_too(install: Install) -> None:
    install("toy-one", {"flavors": {"sklearn": "toy_one:F"}}, {"toy_one": flavor("sklearn")})
    with pytest.raises(PluginError, match=r"toy-one 1\.2"):
        plugins.load("flavors", "sklearn")
    assert "sklearn" in plugins.entry_points("integrations")


def test_the_same_target_registered_twice_is_no_conflict(install: Install) -> None:
    target = {"flavors": {"toy": "toy_one:ToyFlavor"}}
    install("toy-one", target, {"toy_one": flavor("toy")})
    install("toy-one-editable", target, {})
    assert plugins.load("flavors", "toy").name == "toy"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import toy_library_that_is_absent", "needs the module 'toy_library_that_is_absent'"),
        ("raise RuntimeError('boom')", "fails when it is imported, with RuntimeError: boom"),
        ("raise SystemExit(3)", "fails when it is imported, with SystemExit: 3"),
        ("def broken(:", "fails when it is imported, with SyntaxError"),
        ("pass", "fails when it is imported, with AttributeError"),
        ("ToyFlavor = 3", "is 3, but must be a class"),
        ("class ToyFlavor: name = 'toy'", "lacks requires, owns, save, load"),
        (flavor("other"), "calls itself 'other'"),
    ],
)
def test_a_broken_plugin_says_what_is_wrong_and_breaks_no_other(
    install: Install, source: str, said: str
) -> None:
    install("toy-one", {"flavors": {"toy": "toy_one:ToyFlavor"}}, {"toy_one": source})
    install("toy-two", {"flavors": {"fine": "toy_two:ToyFlavor"}}, {"toy_two": flavor("fine")})
    with pytest.raises(PluginError) as caught:
        plugins.load("flavors", "toy")
    message = str(caught.value)
    assert said in message
    assert "toy-one 1.2 (toy_one:ToyFlavor)" in message
    assert "pip uninstall toy-one" in message
    info = described("toy")
    assert (info.state, info.reason) == ("broken", message)
    assert described("fine").state == "active"


def test_a_plugin_that_needs_an_absent_framework_is_waiting(install: Install) -> None:
    source = flavor("toy", requires="toy-absent>=1.0", modules=("toy_absent",))
    install("toy-one", {"flavors": {"toy": "toy_one:ToyFlavor"}}, {"toy_one": source})
    assert described("toy").state == "waiting"
    assert described("toy").reason == "toy-absent is not installed"


def test_a_framework_of_another_version_is_declined_with_both_versions(install: Install) -> None:
    source = flavor("toy", requires="toy-framework>=2", modules=("toy_framework",))
    install("toy-one", {"flavors": {"toy": "toy_one:ToyFlavor"}}, {"toy_one": source})
    install("toy-framework", {}, {"toy_framework": ""})
    assert described("toy").state == "declined"
    assert described("toy").reason == "needs toy-framework>=2, but toy-framework 1.2 is installed"


def test_a_framework_without_metadata_counts_as_there(install: Install) -> None:
    source = flavor("toy", requires="toy-framework>=2", modules=("toy_framework",))
    modules = {"toy_one": source, "toy_framework": "raise RuntimeError('imported')"}
    install("toy-one", {"flavors": {"toy": "toy_one:ToyFlavor"}}, modules)
    assert described("toy").state == "active"


def test_a_malformed_requirement_is_the_plugin_s_fault(install: Install) -> None:
    source = flavor("toy", requires="not a requirement!")
    install("toy-one", {"flavors": {"toy": "toy_one:ToyFlavor"}}, {"toy_one": source})
    assert described("toy").state == "broken"
    assert "'not a requirement!' is malformed" in described("toy").reason


def test_a_plugin_must_derive_from_the_base_that_the_caller_names(install: Install) -> None:
    install("toy-one", {"flavors": {"toy": "toy_one:ToyFlavor"}}, {"toy_one": flavor("toy")})
    with pytest.raises(PluginError, match=r"must be a class derived from decimal\.Decimal"):
        plugins.load("flavors", "toy", Decimal)
    assert plugins.load("flavors", "toy", object).name == "toy"


def test_an_unknown_name_lists_the_known_and_the_nearest() -> None:
    with pytest.raises(PluginError, match=r"no flavor named 'sklern'; did you mean 'sklearn'\?"):
        plugins.load("flavors", "sklern")


def test_an_unknown_group_lists_the_groups() -> None:
    with pytest.raises(PluginError, match="'flavours' is no group of plugins; choose from"):
        plugins.entry_points("flavours")  # pyright: ignore[reportArgumentType]


def test_a_new_installation_is_seen_after_reset(install: Install) -> None:
    before = plugins.entry_points("flavors")
    install("toy-one", {"flavors": {"toy": "toy_one:ToyFlavor"}}, {"toy_one": flavor("toy")})
    assert "toy" not in before
    assert "toy" in plugins.entry_points("flavors")


def test_a_plugin_whose_library_no_extra_brought_waits_for_it() -> None:
    """It is not broken, and says which extra it needs."""
    script = (
        "import sys; sys.modules['urllib3'] = None\n"
        "from tracklet import plugins\n"
        "for one in plugins.describe():\n"
        "    if one.name == 'https': print(one.state, one.reason)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert lines
    assert all(line.startswith("waiting ") and "tracklet[remote]" in line for line in lines)
