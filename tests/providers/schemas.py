"""What vendors' own OpenAPI documents say of requests and answers: tests/fixtures/schemas/<slug>.json, cut down to what
tests need, with its source and date."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

FOLDER = Path(__file__).resolve().parent.parent / "fixtures" / "schemas"
JSON = "application/json"


@cache
def document(slug: str) -> dict[str, Any]:
    """{} where there is no document of this vendor."""
    path = FOLDER / f"{slug}.json"
    return _modern(json.loads(path.read_text())) if path.exists() else {}


def request_trouble(slug: str, method: str, path: str, body: Any, media_type: str = JSON) -> list[str]:
    """What the document has against a request; [] also where it does not know the operation."""
    operation = _operation(slug, method, path)
    schema = operation.get("request", {}).get(media_type)
    return _trouble(slug, schema, body) if schema is not None else []


def answer_trouble(slug: str, method: str, path: str, status: int, body: Any) -> list[str]:
    """What the document has against an answer; says so where it knows no such operation or status."""
    answers = _operation(slug, method, path).get("answers", {})
    schema = answers.get(str(status), answers.get("default", {})).get(JSON)
    if schema is None:
        return [f"{method} {path} has no answer {status} in the document"]
    return _trouble(slug, schema, body)


def knows(slug: str, method: str, path: str) -> bool:
    return bool(_operation(slug, method, path))


def _operation(slug: str, method: str, path: str) -> dict[str, Any]:
    bare = path.split("?")[0]
    for name, operation in document(slug).get("operations", {}).items():
        verb, template = name.split(" ", 1)
        pattern = re.sub(r"\\\{[^}]+\\\}", "[^/]+", re.escape(template))
        if verb == method and re.search(f"{pattern}$", bare):
            return dict(operation)
    return {}


def _trouble(slug: str, schema: Any, body: Any) -> list[str]:
    whole = {**schema, **{name: part for name, part in document(slug).items() if name in ("components", "paths")}}
    return [
        f"{'.'.join(map(str, error.absolute_path))}: {error.message[:200]}"
        for error in Draft202012Validator(whole).iter_errors(body)
    ]


def _modern(value: Any) -> Any:
    """OpenAPI 3.0 writes `nullable` where JSON Schema has a type "null"."""
    if isinstance(value, list):
        return [_modern(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {name: _modern(item) for name, item in value.items()}
    for bound in ("exclusiveMinimum", "exclusiveMaximum"):
        if isinstance(found.get(bound), bool):
            del found[bound]
    if found.pop("nullable", None) is True:
        return {"anyOf": [found, {"type": "null"}]}
    return found
