"""Requests to scoring servers, for tracklet's and MLflow's alike; ``library`` is either."""

import asyncio
import json
from pathlib import Path

import numpy as np
import pandas as pd

PAYLOADS = [
    {"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2]]}},
    {"dataframe_split": {"columns": ["a", "b"], "data": [[1.5, 2.5]], "index": [7]}},
    {"dataframe_split": {"columns": ["a", "b"], "data": [["x", 2]]}},
    {"dataframe_split": {"columns": ["a", "b"], "data": [[1.0, None]]}},
    {"dataframe_split": {"columns": ["text"], "data": [["x"]]}, "params": {"t": 1}},
    {"dataframe_split": {"columns": ["text"], "data": [["x"]]}, "params": {"u": 1}},
    {"dataframe_split": {"columns": ["text"], "data": [["x"]]}, "params": {"t": "x"}},
    {"dataframe_split": [1]},
    {"dataframe_records": [{"a": 1, "b": 2}]},
    {"dataframe_records": [{"a": 1, "b": 2, "c": 3}]},
    {"dataframe_records": [{"a": 1}]},
    {"dataframe_records": {"a": [1]}},
    {"inputs": {"a": [1.0], "b": [2]}},
    {"inputs": [[1.0, 2.0]]},
    {"inputs": [[1, 2]]},
    {"inputs": ["x", "y"], "params": {"t": 3}},
    {"inputs": ["x"]},
    {"inputs": [1]},
    {"inputs": "x"},
    {"inputs": []},
    {"inputs": [[1.0, 2.0]], "params": [1]},
    {"instances": [[1.0, 2.0]]},
    {"instances": [{"a": 1.0, "b": 2}]},
    {"instances": ["x", "y"]},
    {"messages": [{"role": "user", "content": "x"}]},
    {"prompt": "x"},
    {},
    [1],
    3,
    "text",
    {"inputs": [1], "instances": [1]},
    {"other": 1},
]
TEXTS = [
    ("[1", "application/json"),
    ('{"inputs": [[1.0, 2.0]]}', "application/json; charset=utf-8"),
    ('{"inputs": [[1.0, 2.0]]}', "application/json; charset=latin-1"),
    ('{"inputs": [[1.0, 2.0]]}', "application/json; format=x"),
    ('{"inputs": [[1.0, 2.0]]}', "text/plain"),
    ("a,b\n1.0,2\n", "text/csv"),
    ("a\n1\n", "text/csv"),
    ("text\nx\n", "text/csv"),
    ("", "text/csv"),
]


def apps(library, make, folder):
    """Name → application, for models with several kinds of signature."""
    model = library.pyfunc.PythonModel

    class Columns(model):
        def predict(self, context, model_input, params=None):
            return model_input["a"] * 2 + model_input["b"]

    class Tensor(model):
        def predict(self, context, model_input, params=None):
            return model_input * 2

    class Text(model):
        def predict(self, context, model_input, params=None):
            return [f"{text}{params}" for text in model_input["text"]]

    class Hinted(model):
        def predict(self, model_input: list[str], params=None) -> list[str]:
            return [text.upper() for text in model_input]

    class Bare(model):
        def predict(self, context, model_input, params=None):
            return type(model_input).__name__

    infer = library.models.infer_signature
    described = {
        "columns": (Columns(), infer(pd.DataFrame({"a": [1.0], "b": [2]}))),
        "tensor": (Tensor(), infer(np.ones((1, 2)))),
        "text": (Text(), infer(pd.DataFrame({"text": ["a"]}), ["b"], {"t": 1.0})),
        "hinted": (Hinted(), None),
        "bare": (Bare(), None),
    }
    found = {}
    for name, (instance, signature) in described.items():
        path = str(Path(folder) / f"{library.__name__}-{name}")
        library.pyfunc.save_model(
            path, python_model=instance, signature=signature, pip_requirements=[]
        )
        found[name] = make(library.pyfunc.load_model(path))
    return found


def answers(applications):
    """What each application says to each request: the status, and the code or the predictions."""
    found = {}
    requests = [(json.dumps(payload), "application/json") for payload in PAYLOADS] + TEXTS
    for name, application in applications.items():
        for body, kind in requests:
            status, text = asyncio.run(asked(application, body.encode(), kind))
            said = text
            if status in (200, 400):
                document = json.loads(text)
                said = document.get("error_code") if status == 400 else document
            elif status == 415:
                said = None
            found[f"{name} {kind} {body}"] = [status, said]
    return found


async def asked(application, body, kind):
    sent = []
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive():
        if messages:
            return messages.pop()
        await asyncio.sleep(3600)

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": "/invocations",
        "raw_path": b"/invocations",
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "server": ("test", 80),
        "client": ("test", 1),
        "headers": [(b"content-type", kind.encode())],
        "state": {},
    }
    await application(scope, receive, send)
    return sent[0]["status"], b"".join(one.get("body", b"") for one in sent[1:]).decode()
