"""``tracklet models``: serve, ask, look at and trust models."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from tracklet_services.cli import options, output

_KINDS = ("csv", "json", "parquet")

_uri = click.option(
    "-m", "--model-uri", required=True, metavar="URI", help="runs:/…, models:/… or a folder."
)
_trust = click.option(
    "--trust", is_flag=True, help="Run the pickles and the code of a model that is not yours."
)


@click.group()
def models() -> None:
    """Serve models and ask them."""


@models.command()
@_uri
@click.option("-h", "--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("-p", "--port", type=click.IntRange(0, 65535), default=5000, show_default=True)
@click.option(
    "-w", "--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes."
)
@click.option("--threads", type=click.IntRange(1), default=4, show_default=True)
@click.option(
    "-t", "--timeout", type=click.FloatRange(0, min_open=True), help="Seconds per request.  [60]"
)
@click.option(
    "--max-body-mb", type=click.FloatRange(0, min_open=True), default=16, show_default=True
)
@click.option(
    "--allowed-hosts",
    metavar="NAMES",
    help="Host names to answer to, separated by commas, beside addresses and local names.",
)
@_trust
@options.common
def serve(
    model_uri: str,
    host: str,
    port: int,
    workers: int,
    threads: int,
    timeout: float | None,
    max_body_mb: float,
    allowed_hosts: str | None,
    trust: bool,
    json_output: bool,
) -> None:
    """Answer for a model over HTTP: /invocations, /ping, /health, /version."""
    from tracklet_services.serving import Limits
    from tracklet_services.serving import serve as serve_model

    limits = Limits(
        body_bytes=int(max_body_mb * (1 << 20)),
        seconds=timeout if timeout is not None else Limits.default_seconds(),
        threads=threads,
    )
    document = {"model_uri": model_uri, "host": host, "port": port}
    output.answer(document, f"{model_uri} at http://{host}:{port}/invocations", json_output)
    serve_model(
        model_uri,
        host=host,
        port=port,
        processes=workers,
        limits=limits,
        trust=trust or None,
        allowed_hosts=None if allowed_hosts is None else allowed_hosts.split(","),
    )


@models.command()
@_uri
@click.option(
    "-i",
    "--input-path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The data; standard input without it.",
)
@click.option(
    "-o",
    "--output-path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write the predictions as JSON; standard output without it.",
)
@click.option(
    "-t",
    "--content-type",
    type=click.Choice(_KINDS),
    help="What the data is; by default what the file's name says, or json.",
)
@_trust
@options.common
def predict(
    model_uri: str,
    input_path: Path | None,
    output_path: Path | None,
    content_type: str | None,
    trust: bool,
    json_output: bool,
) -> None:
    """Ask a model about the data in a file, in the form that the server takes."""
    from tracklet_services.scoring import answer_body, requests

    kind = content_type or (input_path.suffix.lstrip(".").lower() if input_path else "json")
    if kind not in _KINDS:
        raise click.UsageError(f"say what {input_path} is with --content-type")
    body = input_path.read_bytes() if input_path else sys.stdin.buffer.read()
    predictions, whole = requests.ask(model_uri, body, kind, trust or None)
    answer = answer_body(predictions, whole=whole)
    if output_path is None:
        output.say(output.escaped(answer.decode()))
    else:
        requests.write(output_path, answer)


@models.command()
@_uri
@options.common
def show(model_uri: str, json_output: bool) -> None:
    """Say what a model takes, gives and needs, without loading it."""
    from tracklet.models import manifest, trust, uris
    from tracklet.models.model import Model

    path = uris.resolve(model_uri)
    trust.refuse_ways_out(path)
    about = Model.load(path)
    facts: dict[str, Any] = {
        "flavors": sorted(about.flavors),
        "model_id": about.model_id,
        "run_id": about.run_id,
        "created": about.utc_time_created,
        "inputs": repr(about.get_input_schema()) if about.get_input_schema() else None,
        "outputs": repr(about.get_output_schema()) if about.get_output_schema() else None,
        "params": repr(about.get_params_schema()) if about.get_params_schema() else None,
        "own": manifest.examine(path).own,
        "runs when loaded": trust.what_would_run(path),
    }
    if json_output:
        output.as_json(facts)
        return
    listed = {k: ", ".join(v) if isinstance(v, list) else v for k, v in facts.items()}
    output.section(model_uri, [(key, value) for key, value in listed.items() if value is not None])


@models.command()
@click.argument("model_uri", metavar="URI")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@options.common
def trust(model_uri: str, yes: bool, json_output: bool) -> None:
    """Load a stranger's model like your own from now on, as long as it stays as it is."""
    from tracklet.models import loading, trust, uris

    path = uris.resolve(model_uri)
    trust.refuse_ways_out(path)
    if not yes:
        for act in trust.what_would_run(path):
            output.say(f"  {act}", err=True)
        click.confirm("This runs when the model is loaded. Trust it?", abort=True, err=True)
    acts = loading.trust_model(path)
    document = {"path": str(path), "runs when loaded": acts}
    output.answer(document, f"{path} is trusted", json_output)
