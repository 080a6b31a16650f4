"""The OpenAPI description, made of the table that routes the requests."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import msgspec

from tracklet_services.server.table import Endpoint

_REF = "#/components/schemas/{name}"
_ERRORS = (400, 401, 403, 404, 409, 413, 429, 503, 504)


@cache
def description(*every: Endpoint) -> dict[str, Any]:
    """The description of endpoints."""
    kinds = [kind for one in every for kind in (one.request, one.reply)]
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    components["Error"] = {
        "type": "object",
        "required": ["error_code", "message"],
        "properties": {"error_code": {"type": "string"}, "message": {"type": "string"}},
    }
    paths: dict[str, dict[str, Any]] = {}
    for number, endpoint in enumerate(every):
        asked, answered = schemas[2 * number : 2 * number + 2]
        for version in endpoint.versions:
            path = f"/api/{version}/mlflow/{endpoint.path}"
            operation = _operation(endpoint, asked, answered, components)
            paths.setdefault(path, {})[endpoint.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "tracklet server", "version": "3.17"},
        "paths": paths,
        "components": {"schemas": components},
    }


def _operation(
    endpoint: Endpoint, asked: dict[str, Any], answered: dict[str, Any], components: dict[str, Any]
) -> dict[str, Any]:
    named = re.findall(r"\{(\w+)\}", endpoint.path)
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in named
    ]
    operation: dict[str, Any] = {
        "summary": (endpoint.call.__doc__ or "").strip(),
        "responses": {
            "200": _content("It is done.", answered),
            **{
                str(status): _content("It is refused.", {"$ref": _REF.format(name="Error")})
                for status in _ERRORS
            },
        },
    }
    schema = components[asked["$ref"].rpartition("/")[2]]
    if endpoint.method == "GET":
        required = schema.get("required", ())
        parameters += [
            {"name": name, "in": "query", "required": name in required, "schema": kind}
            for name, kind in schema.get("properties", {}).items()
            if name not in named
        ]
    else:
        operation["requestBody"] = {
            "required": True,
            "content": {
                "application/json": {"schema": _without(schema, named) if named else asked}
            },
        }
    if parameters:
        operation["parameters"] = parameters
    return operation


def _without(schema: dict[str, Any], named: list[str]) -> dict[str, Any]:
    """The schema of a body, where the path says some of the fields."""
    properties = {n: kind for n, kind in schema.get("properties", {}).items() if n not in named}
    required = [name for name in schema.get("required", ()) if name not in named]
    return {"type": "object", "properties": properties, "required": required}


def _content(said: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": said, "content": {"application/json": {"schema": schema}}}
