"""Requests read as strictly as the vendor reads them, and put into the simulator's own words."""

from __future__ import annotations

import re
from typing import Any

from ... import media
from ..base import BadBody
from . import models

CHAT = {
    "model", "messages", "response_format", "max_completion_tokens", "max_tokens", "reasoning_effort", "verbosity",
    "temperature", "top_p", "n", "seed", "stop", "service_tier", "moderation", "prompt_cache_key", "metadata", "store",
    "prompt_cache_options", "safety_identifier", "stream", "stream_options", "user", "frequency_penalty",
    "presence_penalty", "logit_bias", "logprobs", "top_logprobs", "modalities", "prediction", "tools", "tool_choice",
}  # fmt: skip
IMAGES = {
    "model", "prompt", "n", "size", "quality", "output_format", "output_compression", "background", "moderation",
    "stream", "partial_images", "user",
}  # fmt: skip
EDITS = IMAGES | {"image", "image[]", "mask", "input_fidelity"}
SPEECH = {"model", "input", "voice", "response_format", "speed", "instructions", "stream_format"}
VOICES = {
    "alloy", "ash", "ballad", "coral", "echo", "fable", "onyx", "nova", "sage", "shimmer", "verse", "marin", "cedar",
}  # fmt: skip
EFFORTS = {"none", "minimal", "low", "medium", "high", "xhigh", "max"}
PLAIN_SIZES = {"1024x1024", "1536x1024", "1024x1536"}
ROLES = {"developer", "system", "user", "assistant", "tool", "function"}


class Wrong(BadBody):
    def __init__(self, why: str, *, code: str | None = None, param: str | None = None, status: int = 400) -> None:
        super().__init__(why)
        self.code, self.param, self.status = code, param, status


def need(good: bool, why: str, code: str = "invalid_value", param: str | None = None) -> None:
    if not good:
        raise Wrong(why, code=code, param=param)


def only(said: dict[str, Any], known: set[str]) -> None:
    for name in said:
        need(name in known, f"Unknown parameter: '{name}'.", "unknown_parameter", name)


def known_model(name: Any, known: Any, *, is_open: bool = False) -> str:
    if not isinstance(name, str) or not name:
        raise Wrong("you must provide a model parameter", param="model")
    if name not in known and not (is_open and ":" in name):
        why = f"The model `{name}` does not exist or you do not have access to it."
        raise Wrong(why, code="model_not_found", status=404)
    return name


def _one_of(said: dict[str, Any], name: str, choices: Any, default: Any = None) -> Any:
    value = said.get(name, default)
    need(value is None or value in choices, f"Invalid value: '{value}'.", param=name)
    return value


def _number(said: dict[str, Any], name: str, low: float, high: float, default: float) -> float:
    value = said.get(name, default)
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
    need(is_number, f"Invalid '{name}': a number from {low:g} to {high:g} is expected.", param=name)
    return float(value)


# -- scripts ---------------------------------------------------------------------------------------


def chat(said: dict[str, Any], *, is_open: bool = False) -> dict[str, Any]:
    only(said, CHAT)
    model = known_model(said.get("model"), models.TEXT, is_open=is_open)
    messages = said.get("messages")
    need(isinstance(messages, list) and bool(messages), "Missing required parameter: 'messages'.", param="messages")
    assert isinstance(messages, list)
    for message in messages:
        is_message = isinstance(message, dict) and message.get("role") in ROLES
        need(is_message and isinstance(message.get("content"), str), "Invalid 'messages'.", param="messages")
    words = "\n".join(message["content"] for message in messages)
    most = said.get("max_completion_tokens", said.get("max_tokens"))
    need(most is None or (type(most) is int and most >= 1), "Invalid 'max_completion_tokens'.")
    if not is_open:
        _fits_model(said, model)
    form = said.get("response_format") or {"type": "text"}
    schema = _schema_of(form, words)
    asked = messages[-1]["content"]
    scenes, seconds = re.search(r"(?i)scenes:\D*(\d+)", asked), re.search(r"(?i)length:\D*([\d.]+)", asked)
    topic = re.search(r"(?i)topic: (.*)", asked)
    written = 400
    return {
        "model": model,
        "prompt": words,
        "topic": topic[1] if topic else asked[:60],
        **({"scenes": int(scenes[1])} if scenes else {}),
        **({"seconds": float(seconds[1])} if seconds else {}),
        "schema": schema,
        "form": form["type"],
        "max_tokens": most or 0,
        "output_tokens": min(written, most or written),
        "cut": bool(most and most < written),
    }


def _fits_model(said: dict[str, Any], model: str) -> None:
    if models.thinks(model):
        need(
            "max_tokens" not in said,
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens'.",
            "unsupported_parameter",
            "max_tokens",
        )
        for name in ("temperature", "top_p"):
            need(said.get(name, 1) == 1, f"Unsupported value: '{name}' does not support it.", "unsupported_value", name)
        _one_of(said, "reasoning_effort", EFFORTS)
    else:
        what = "Unrecognized request argument supplied: reasoning_effort"
        need("reasoning_effort" not in said, what, "unsupported_parameter", "reasoning_effort")
        _number(said, "temperature", 0, 2, 1)


def _schema_of(form: Any, words: str) -> dict[str, Any] | None:
    kind = form.get("type") if isinstance(form, dict) else None
    need(kind in ("text", "json_object", "json_schema"), "Invalid 'response_format'.", param="response_format")
    if kind == "json_object":
        need(
            "json" in words.lower(),
            "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
            param="messages",
        )
    if kind != "json_schema":
        return None
    described = form.get("json_schema")
    need(isinstance(described, dict), "Missing required parameter: 'response_format.json_schema'.")
    only(described, {"name", "schema", "strict", "description"})
    name = described.get("name", "")
    need(bool(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name)), "Invalid 'response_format.json_schema.name'.")
    schema = dict(described.get("schema") or {})
    if described.get("strict"):
        _strict(schema, name)
    return schema


def _strict(schema: Any, name: str) -> None:
    """Every object closed, everything in it required."""
    start = f"Invalid schema for response_format '{name}': "
    need(isinstance(schema, dict), start + "not an object.", "invalid_json_schema", "response_format")
    if schema.get("type") == "object":
        closed = schema.get("additionalProperties") is False
        need(closed, start + "'additionalProperties' is required to be false.", "invalid_json_schema")
        names = set(schema.get("properties", {}))
        need(set(schema.get("required", [])) == names, start + "'required' must name all.", "invalid_json_schema")
    for inner in [*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])]:
        _strict(inner, name)


# -- pictures, voices, moderation ------------------------------------------------------------------


def image(said: dict[str, Any], *, pictures: int = 0, known: set[str] = IMAGES) -> dict[str, Any]:
    only(said, known)
    model = known_model(said.get("model") or "dall-e-2", models.IMAGE)
    prompt = said.get("prompt")
    need(isinstance(prompt, str) and 0 < len(prompt) <= 32_000, "Invalid 'prompt'.", param="prompt")
    count = _number(said, "n", 1, 10, 1)
    need(count == int(count), "Invalid 'n'.", param="n")
    finer = {"xhigh", "max"} if "2.5" in model else set()
    quality = _one_of(said, "quality", {"low", "medium", "high", "auto"} | finer, "auto")
    form = _one_of(said, "output_format", {"png", "jpeg", "webp"}, "png")
    background = _one_of(said, "background", {"transparent", "opaque", "auto"}, "auto")
    need(background != "transparent" or form != "jpeg", "Transparent needs png or webp.", param="background")
    _one_of(said, "moderation", {"auto", "low"})
    width, height = _size(str(said.get("size") or "auto"), model)
    return {
        "model": model,
        "prompt": prompt,
        "width": width,
        "height": height,
        "count": int(count),
        "quality": "high" if quality == "auto" else quality,
        "background": "opaque" if background == "auto" else background,
        **({"format": form} if form != "png" else {}),
        "text_tokens": len(str(prompt)) // 4 + 1,
        "image_tokens": 1000 * pictures,
        "each_tokens": models.picture_tokens(str(quality), width, height),
    }


def _size(size: str, model: str) -> tuple[int, int]:
    if size == "auto":
        return 1024, 1024
    found = re.fullmatch(r"(\d+)x(\d+)", size)
    width, height = map(int, found.groups()) if found else (0, 0)
    if model.startswith("gpt-image-1"):
        good = size in PLAIN_SIZES
    else:
        is_even = width % 16 == 0 == height % 16 and width > 0 < height
        small, large = sorted((width, height))
        good = is_even and large <= 3 * small and large <= 3840 and small <= 2160
    need(good, f"Invalid value: '{size}'.", param="size")
    return width, height


def voice(said: dict[str, Any]) -> dict[str, Any]:
    only(said, SPEECH)
    model = known_model(said.get("model"), (*models.LETTERS, *models.SPEECH))
    words = said.get("input")
    need(isinstance(words, str) and bool(words), "Missing required parameter: 'input'.", param="input")
    assert isinstance(words, str)
    need(len(words) <= 4096, "String should have at most 4096 characters", "string_above_max_length", "input")
    who = said.get("voice")
    need(who in VOICES or (isinstance(who, dict) and set(who) == {"id"}), "Invalid 'voice'.", param="voice")
    _number(said, "speed", 0.25, 4, 1)
    form = _one_of(said, "response_format", {"mp3", "wav", "pcm"}, "mp3")
    stream = _one_of(said, "stream_format", {"audio", "sse"}, "audio")
    need(stream == "audio" or model in models.SPEECH, "stream_format 'sse' is not supported.", param="stream_format")
    order = {"model": model, "prompt": words, "stream": stream, **({"format": form} if form != "wav" else {})}
    return order | {"read": len(words) // 4 + 1, "written": round(models.TOKENS_A_SECOND * media.speech_s(order))}


def moderation(said: dict[str, Any]) -> dict[str, Any]:
    only(said, {"model", "input"})
    model = known_model(said.get("model") or "omni-moderation-latest", models.MODERATION)
    given = said.get("input")
    given = [given] if isinstance(given, str) else given
    need(isinstance(given, list) and bool(given), "Missing required parameter: 'input'.", param="input")
    assert isinstance(given, list)
    if all(isinstance(part, str) for part in given):
        return {"model": model, "prompt": "\n".join(given), "texts": given, "pictures": 0}
    texts, pictures = [], 0
    for part in given:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text":
            texts.append(str(part.get("text")))
        else:
            url = part.get("image_url", {}).get("url", "") if kind == "image_url" else ""
            need(url.startswith(("https://", "data:image/")), "Invalid 'input'.", param="input")
            pictures += 1
    need(pictures <= 1, "Only one image is supported per request.", param="input")
    return {"model": model, "prompt": "\n".join(texts), "texts": ["\n".join(texts)], "pictures": pictures}
