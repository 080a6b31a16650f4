"""What a program prints, and what it was made of, is kept with its runs."""
# ruff: noqa: T201 - printing is what is tested

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from contextlib import redirect_stdout
from pathlib import Path

import pytest

import tracklet
from tracklet.fluent import capture, provenance

OUTPUT = "tracklet/output.log"


def output(run) -> str:
    return tracklet.artifacts.load_text(f"runs:/{run.info.run_id}/{OUTPUT}")


def test_what_is_printed_in_a_run_is_kept_with_it_and_with_those_around_it(tracklet_home):
    print("before")
    with tracklet.start_run() as outer:
        print("out", 1)
        print("to stderr", file=sys.stderr)
        with tracklet.start_run(nested=True) as inner:
            print("within")
        print("à la fin")
    print("after")
    assert output(outer) == "out 1\nto stderr\nwithin\nà la fin\n"
    assert output(inner) == "within\n"


def test_the_streams_are_as_they_were_once_no_run_is_open(tracklet_home, capsys):
    streams = sys.stdout, sys.stderr
    before = [dict(vars(each)) for each in streams]
    with tracklet.start_run():
        assert (sys.stdout, sys.stderr) == streams
        print("shown")
    assert [dict(vars(each)) for each in streams] == before
    assert "shown\n" in capsys.readouterr().out


def test_a_line_that_is_written_over_is_kept_as_it_was_at_last(tracklet_home):
    with tracklet.start_run() as run:
        for number in range(5):
            sys.stderr.write(f"\r{number} of 4")
            print(f"step {number}")
        print(file=sys.stderr)
        for text in ("10 %", "20 %"):
            sys.stdout.write(f"{text}\r")
        sys.stdout.write("dos\r\n\rleft open")
    steps = "".join(f"step {number}\n" for number in range(5))
    assert output(run) == f"{steps}4 of 4\ndos\nleft open\n"


def test_a_run_that_prints_nothing_has_no_output(tracklet_home):
    with tracklet.start_run() as run:
        pass
    assert tracklet.artifacts.list_artifacts(run_id=run.info.run_id) == []


def test_a_thread_without_a_run_prints_into_the_open_ones(tracklet_home):
    with tracklet.start_run() as run:
        thread = threading.Thread(target=print, args=("from a thread",))
        thread.start()
        thread.join()
    assert output(run) == "from a thread\n"


def test_what_goes_elsewhere_is_not_taken(tracklet_home):
    with tracklet.start_run() as run:
        with redirect_stdout(io.StringIO()) as elsewhere:
            print("not ours")
        print("ours")
    assert (output(run), elsewhere.getvalue()) == ("ours\n", "not ours\n")


def test_much_output_is_cut_with_a_word(tracklet_home, monkeypatch):
    monkeypatch.setattr(capture, "MOST_OUTPUT", 20)
    with tracklet.start_run() as run:
        for _ in range(10):
            print("123456789")
    head, last = output(run).rsplit("\n[", 1)
    assert head == "123456789\n123456789\n"
    assert "beyond 20 bytes" in last


@pytest.mark.parametrize("uri", ["s3://bucket/x", "/proc/nowhere"])
def test_a_place_that_takes_nothing_leaves_print_and_the_run_alone(tracklet_home, capsys, uri):
    experiment = tracklet.create_experiment("unreachable", artifact_location=uri)
    with tracklet.start_run(experiment_id=experiment) as run:
        print("still printed")
    assert tracklet.get_run(run.info.run_id).info.status == "FINISHED"
    assert "still printed\n" in capsys.readouterr().out


def test_it_can_be_switched_off(tracklet_home, monkeypatch):
    monkeypatch.setenv("TRACKLET_CAPTURE_OUTPUT", "false")
    with tracklet.start_run() as run:
        print("gone")
    assert tracklet.artifacts.list_artifacts(run_id=run.info.run_id) == []


SCRIPT = """
import argparse, sys, time
import tracklet
from tracklet.fluent import capture

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
parser.add_argument("--hub-token")
arguments = parser.parse_args()
tokenizer = "bert"
api_key = "sk-canary"
capture.WORTH_IT = 0 if arguments.lr else 1e9
with tracklet.start_run():
    with tracklet.start_run(nested=True):
        pass
"""


def of_script(home: Path, *arguments: str) -> dict[str, str]:
    """The files that a run of the script leaves."""
    subprocess.run([sys.executable, "train.py", *arguments], cwd=home / "code", check=True)
    run = next(
        each
        for each in tracklet.search_runs(output_format="list")
        if "mlflow.parentRunId" not in each.data.tags
    )
    kept = Path(tracklet.artifacts.download_artifacts(run_id=run.info.run_id))
    files = {str(each.relative_to(kept)): each.read_text() for each in kept.rglob("*.*")}
    return {**files, **{f"tags.{key}": value for key, value in run.data.tags.items()}}


@pytest.fixture
def work_tree(tracklet_home, monkeypatch):
    """A script in a git work tree, changed since its commit; code is kept."""
    monkeypatch.delenv("TRACKLET_CAPTURE_CODE")
    folder = tracklet_home / "code"
    folder.mkdir()
    (folder / "train.py").write_text(SCRIPT)
    git = ["git", "-c", "user.name=n", "-c", "user.email=n@example.org"]
    for command in (
        ["init", "-q", "-b", "topic"],
        ["add", "."],
        ["commit", "-q", "-m", "first"],
        ["remote", "add", "origin", "https://user:canary@git.example.org/x.git"],
    ):
        subprocess.run([*git, *command], cwd=folder, check=True)
    (folder / "train.py").write_text(SCRIPT.replace("bert", "bart"))
    return tracklet_home


def test_a_run_of_some_seconds_keeps_what_it_was_made_of(work_tree):
    found = of_script(work_tree, "--lr", "0.5", "--hub-token", "hf_canary")
    assert 'tokenizer = "bart"' in found["tracklet/code/train.py"]
    patch = found["tracklet/code/uncommitted.patch"].splitlines()
    assert {'-tokenizer = "bert"', '+tokenizer = "bart"'} <= set(patch)
    assert f"click=={tracklet_click_version()}" in found["tracklet/packages.txt"].splitlines()
    machine = json.loads(found["tracklet/machine.json"])
    assert machine["command"] == ["train.py", "--lr", "0.5", "--hub-token", "***"]
    assert machine["arguments"] == {"lr": "0.5", "hub_token": "***"}
    assert machine["processors"] >= 1
    assert machine["memory_bytes"] > 1 << 20
    assert found["tags.mlflow.source.git.branch"] == "topic"
    assert found["tags.mlflow.source.git.repoURL"] == "https://git.example.org/x.git"
    assert found["tags.mlflow.source.git.dirty"] == "true"
    assert "canary" not in "".join(found.values())


def tracklet_click_version() -> str:
    from importlib.metadata import version

    return version("click")


def test_a_short_run_and_one_that_is_not_to_keep_no_code(work_tree, monkeypatch):
    assert [each for each in of_script(work_tree) if each.startswith("tracklet/")] == []
    monkeypatch.setenv("TRACKLET_CAPTURE_CODE", "false")
    found = of_script(work_tree, "--lr", "1")
    assert [each for each in found if each.startswith("tracklet/")] == []


TAKES = {
    "argparse": """
import argparse
def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float)
    parser.add_argument("--hub-token")
    arguments = parser.parse_args()
    train()
main()
""",
    "click": """
import click
@click.group()
@click.option("--hub-token")
def main(hub_token):
    pass
@main.command()
@click.option("--lr", type=float)
def fit(lr):
    train()
main()
""",
    "fire": """
import fire
class Trainer:
    def fit(self, lr, hub_token, *, layers=(3, 4)):
        train()
fire.Fire(Trainer)
""",
    "hydra": """
import hydra
@hydra.main(version_base=None, config_path=".", config_name="conf")
def main(configuration):
    train()
main()
""",
}


def test_a_look_at_the_names_of_calls_keeps_and_changes_nothing_of_them(work_tree) -> None:
    """What a function lets go of is freed, and what ``locals()`` gave it stays as it was."""
    (work_tree / "code" / "train.py").write_text(
        "import argparse, weakref, tracklet\nfrom tracklet.fluent import capture\n"
        "capture.WORTH_IT = 0\n"
        f"tracklet.set_tracking_uri({tracklet.get_tracking_uri()!r})\n"
        "class Model:\n    def __str__(self):\n        raise ValueError\n"
        "def fit():\n"
        "    model = Model()\n"
        "    there = weakref.ref(model)\n"
        "    arguments = argparse.Namespace(lr=0.5, model=model)\n"
        "    with tracklet.start_run():\n        pass\n"
        "    del model, arguments\n"
        "    assert there() is None\n"
        "def main():\n"
        "    before = locals()\n"
        "    later = 1\n"
        "    fit()\n"
        "    assert not before\n"
        "main()\n"
    )
    assert json.loads(of_script(work_tree)["tracklet/machine.json"])["arguments"] == {}


@pytest.mark.parametrize(
    ("library", "line", "expected"),
    [
        ("argparse", ["--lr", "0.5", "--hub-token", "canary"], {}),
        ("click", ["--hub-token", "canary", "fit", "--lr", "0.5"], {}),
        ("fire", ["fit", "--hub-token", "canary", "--lr", "0.5"], {"layers": "(3, 4)"}),
        ("hydra", ["lr=0.5", "+hub_token=canary"], {"net.layers": "[3, 4]", "net.api_key": "***"}),
    ],
)
def test_what_the_command_line_was_parsed_into_is_kept(
    work_tree, library: str, line: list[str], expected: dict[str, str]
) -> None:
    pytest.importorskip(library)
    (work_tree / "code" / "conf.yaml").write_text("lr: 1\nnet: {layers: [3, 4], api_key: canary}")
    (work_tree / "code" / "train.py").write_text(
        "import tracklet\nfrom tracklet.fluent import capture\ncapture.WORTH_IT = 0\n"
        f"tracklet.set_tracking_uri({tracklet.get_tracking_uri()!r})\n"
        "def train():\n    with tracklet.start_run():\n        pass\n" + TAKES[library]
    )
    found = of_script(work_tree, *line)
    arguments = json.loads(found["tracklet/machine.json"])["arguments"]
    assert arguments == {"lr": "0.5", "hub_token": "***", **expected}
    assert "canary" not in found["tracklet/machine.json"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('password = "x y"', "password = ***"),
        ("{'aws_secret_key': 'abc', 'b': 1}", "{'aws_secret_key': ***, 'b': 1}"),
        ('os.environ["HF_TOKEN"] = "abc"', 'os.environ["HF_TOKEN"] = ***'),
        ("tokens = 'abc'; max_tokens = 5", "tokens = 'abc'; max_tokens = 5"),
        ("tokenizer: 'bert'", "tokenizer: 'bert'"),
        ("api_key: str | None = 'sk'", "api_key: str | None = ***"),
        ('-token = f"{a} b"', "-token = ***"),
        ("secret = rb'x'", "secret = ***"),
        ('token = """a\nb"""; c = "d"', 'token = ***; c = "d"'),
        (r'password = "a\"b"; c = "d"', 'password = ***; c = "d"'),
        ("git@x https://me:pw@host/a", "git@x https://host/a"),
    ],
)
def test_the_values_of_secrets_are_masked_and_those_of_others_are_not(text, shown):
    assert provenance.masked(text) == shown


def test_a_command_line_is_shown_without_its_secrets():
    line = ["a.py", "--api-key=abc", "--token", "t", "--verbose", "token", "--max_tokens", "5"]
    line += ["db.password=abc", "+hub.token=xx", "--trainer.api_key", "kk", "--hub.token=zz", "a.b"]
    assert provenance.masked_arguments(line) == [
        "a.py", "--api-key=***", "--token", "***", "--verbose", "token", "--max_tokens", "5",
        "db.password=***", "+hub.token=***", "--trainer.api_key", "***", "--hub.token=***", "a.b",
    ]  # fmt: skip


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_what_a_forked_child_prints_is_kept_as_well(tracklet_home):
    code = (
        "import os, sys, tracklet\n"
        "with tracklet.start_run():\n"
        "    print('parent', flush=True)\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        print('child', flush=True)\n"
        "        os._exit(0)\n"
        "    os.waitpid(child, 0)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tracklet_home, check=True)
    (run,) = tracklet.search_runs(output_format="list")
    assert output(run) == "parent\nchild\n"
