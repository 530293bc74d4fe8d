"""How the vendor words its answers."""

from __future__ import annotations

import base64
import json
from typing import Any

from ...books import Row
from ...manner import request_of
from ...replies import Reply

WORDS_ONLY = ("hate", "hate/threatening", "harassment", "harassment/threatening", "illicit", "illicit/violent")
BOTH = ("self-harm", "self-harm/intent", "self-harm/instructions", "sexual")
CATEGORIES = (*WORDS_ONLY, *BOTH, "sexual/minors", "violence", "violence/graphic")
TYPES = {400: "invalid_request_error", 401: "invalid_request_error", 429: "requests", 503: "service_unavailable_error"}


def error(status: int, message: str, *, code: str | None = None, kind: str = "", param: str | None = None) -> Reply:
    kind = kind or TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return Reply(status=status, body={"error": {"message": message, "type": kind, "param": param, "code": code}})


def units_of(job: Row) -> dict[str, int]:
    return dict(json.loads(job["units"]))


# -- scripts ---------------------------------------------------------------------------------------


def chat(job: Row, content: bytes, created: int) -> dict[str, Any]:
    order, units = request_of(job), units_of(job)
    ending, text = order.get("answer", ""), _text(order, content)
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
    reason = "stop"
    if ending == "refusal":
        message |= {"content": None, "refusal": "I'm sorry, but I can't help with that."}
    elif ending == "content_filter":
        message["content"], reason = text[: len(text) // 3], "content_filter"
    elif ending == "length" or order.get("cut"):
        message["content"], reason = text[: len(text) // 2], "length"
    elif ending == "no_json":
        message["content"] = "Here is your script: first, a wide shot of the sea."
    return {
        "id": job["id"],
        "object": "chat.completion",
        "created": created,
        "model": order["model"],
        "service_tier": "default",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": reason}],
        "usage": {
            "prompt_tokens": units["input_tokens"],
            "completion_tokens": units["output_tokens"],
            "total_tokens": units["input_tokens"] + units["output_tokens"],
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0, "cache_write_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": min(96, units["output_tokens"]),
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
    }


def _text(order: dict[str, Any], content: bytes) -> str:
    """What was asked for: by the schema, any JSON, or prose."""
    script = json.loads(content)
    if order["form"] == "text":
        return str(script["description"])
    told = instance(order["schema"], script, "") if order["schema"] else script
    return json.dumps(told, ensure_ascii=False)


def instance(schema: dict[str, Any], known: Any, name: str) -> Any:
    """Something that fits a schema; fields of a script get what the script has."""
    kind = schema.get("type")
    if kind == "object":
        inner = known if isinstance(known, dict) else {}
        return {field: instance(part, inner.get(field), field) for field, part in schema["properties"].items()}
    if kind == "array":
        items = known if isinstance(known, list) else [None, None]
        return [instance(schema["items"], item, name) for item in items]
    if kind in ("number", "integer"):
        return known if isinstance(known, int | float) else 1
    if kind == "boolean":
        return bool(known)
    return known if isinstance(known, str) else f"some {name}"


# -- pictures, voices, moderation ------------------------------------------------------------------


def images(job: Row, contents: list[bytes], created: int) -> dict[str, Any]:
    order, units = request_of(job), units_of(job)
    times = units["images"] // order["count"]
    read, seen = times * order["text_tokens"], times * order["image_tokens"]
    written = units["images"] * order["each_tokens"]
    return {
        "created": created,
        "background": order["background"],
        "output_format": order.get("format", "png"),
        "size": f"{order['width']}x{order['height']}",
        "quality": order["quality"],
        "data": [{"b64_json": base64.b64encode(content).decode()} for content in contents],
        "usage": {
            "input_tokens": read + seen,
            "input_tokens_details": {"text_tokens": read, "image_tokens": seen},
            "output_tokens": written,
            "output_tokens_details": {"image_tokens": written, "text_tokens": 0},
            "total_tokens": read + seen + written,
        },
    }


def events(job: Row, content: bytes) -> bytes:
    """Sound in three pieces, and what it cost."""
    order, third = request_of(job), len(content) // 3 + 1
    told: list[dict[str, Any]] = [
        {"type": "speech.audio.delta", "audio": base64.b64encode(content[at : at + third]).decode()}
        for at in range(0, len(content), third)
    ]
    read, written = order["read"], order["written"]
    usage = {"input_tokens": read, "output_tokens": written, "total_tokens": read + written}
    told.append({"type": "speech.audio.done", "usage": usage})
    return "".join(f"data: {json.dumps(event)}\n\n" for event in told).encode()


def moderation(job: Row) -> dict[str, Any]:
    order = request_of(job)
    results = [_judged(text, order["pictures"], order.get("answer") == "flagged") for text in order["texts"]]
    return {"id": job["id"], "model": order["model"], "results": results}


def _judged(text: str, pictures: int, flag_pictures: bool) -> dict[str, Any]:
    flagged = "forbidden" in text.lower() or bool(pictures and flag_pictures)
    kinds = {name: _kinds(name, bool(text), bool(pictures)) for name in CATEGORIES}
    scores = {name: (0.0003 if kinds[name] else 0.0) for name in CATEGORIES}
    scores["violence"] = 0.97 if flagged else scores["violence"]
    return {
        "flagged": flagged,
        "categories": {name: score > 0.5 for name, score in scores.items()},
        "category_scores": scores,
        "category_applied_input_types": kinds,
    }


def _kinds(name: str, has_text: bool, has_picture: bool) -> list[str]:
    sees = name in (*BOTH, "violence", "violence/graphic")
    return ["text"] * has_text + ["image"] * (has_picture and sees)
