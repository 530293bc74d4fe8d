"""Scripts: POST /chat/completions with a strict schema.

https://developers.openai.com/api/docs/guides/structured-outputs (read 2026-11-21). An answer of status 200 is billed,
whatever it holds: what cannot be used of it is Failed, with its tokens.
"""

from __future__ import annotations

import json
import re
from math import ceil
from typing import Any

from ...answers import Said
from ...types import Failed, Finished, Output, Request
from .bodies import with_own
from .prompts import RESPONSE_FORMAT, SCHEMA, messages, scenes_and_seconds

OPENAIS = re.compile(r"(ft:)?(gpt-\d|o\d|chatgpt-)")  # their models; "gpt-oss:20b" runs on servers of one's own
THINKS = re.compile(r"(ft:)?(gpt-([5-9]|\d\d)|o\d)")  # those refuse a temperature, and think within what they may write
TOKENS_AROUND = 700  # title, hook, description, hashtags
TOKENS_OF_SCENE = 180  # its picture and its JSON
TOKENS_A_SECOND = 8  # of narration, in the languages that take most
TOKENS_TO_THINK = 4000
FENCE = re.compile(r"\A```\w*\s*\n(.*?)\n?\s*```\Z", re.DOTALL)


def body(request: Request) -> dict[str, Any]:
    """What a model is told beside the messages depends on whose it is."""
    most, model = most_output_tokens(request), request.offer
    asked: dict[str, Any] = {"model": model, "messages": messages(request), "response_format": RESPONSE_FORMAT}
    if OPENAIS.match(model):
        asked |= {"max_completion_tokens": most, "reasoning_effort": "low" if THINKS.match(model) else None}
    else:
        asked |= {"max_tokens": most, "seed": request.seed % 2**31}
    return with_own(asked, request)


def words_of(request: Request) -> str:
    """All that counts as input."""
    return json.dumps([messages(request), SCHEMA], ensure_ascii=False)


def most_output_tokens(request: Request) -> int:
    """Enough for the script that is asked for; what a model thinks before it writes is in it."""
    for said in (request.own.get("max_completion_tokens"), request.own.get("max_tokens")):
        if isinstance(said, int) and said > 0:
            return said
    scenes, seconds = scenes_and_seconds(request)
    room = TOKENS_TO_THINK if THINKS.match(request.offer) else 0
    return TOKENS_AROUND + scenes * TOKENS_OF_SCENE + ceil(seconds * TOKENS_A_SECOND) + room


def read(answer: Said, request: Request) -> Finished | Failed:
    units, choice = _units(answer), answer.part("choices", 0)
    refusal = choice.text("message", "refusal", default="")
    match choice.text("finish_reason", default="stop"):
        case "content_filter":
            return Failed(reason="OpenAI's filter stopped the script.", moderated=True, billed=True, units=units)
        case "length":
            most = most_output_tokens(request)
            reason = f"The script was cut off: it needs more than the {most:,} tokens that were allowed."
            return Failed(reason=reason, billed=True, units=units)
    if refusal:
        reason = f"OpenAI declined to write it: “{refusal[:200]}”"
        return Failed(reason=reason, moderated=True, billed=True, units=units)
    script = _json_in(choice.text("message", "content"))
    if not script:
        return Failed(reason="The model wrote something that is no JSON.", billed=True, units=units)
    outputs = (Output(content=script, media_type="application/json"),)
    return Finished(outputs=outputs, units=units, external_id=answer.text("id", default=""))


def _json_in(content: str) -> bytes:
    """The object that was asked for, out of a code fence where there is one; b"" where it is none."""
    bare = content.strip()
    fenced = FENCE.match(bare)
    bare = fenced[1].strip() if fenced else bare
    try:
        return bare.encode() if isinstance(json.loads(bare), dict) else b""
    except (ValueError, RecursionError):  # also of half a letter
        return b""


def _units(answer: Said) -> dict[str, int]:
    """Tokens by their price: what was read anew, what was read from the cache, what was put there, what was written."""
    if not answer.has("usage", "prompt_tokens"):
        return {}
    read = answer.whole("usage", "prompt_tokens")
    cached = min(read, answer.whole("usage", "prompt_tokens_details", "cached_tokens", default=0))
    stored = answer.whole("usage", "prompt_tokens_details", "cache_write_tokens", default=0)
    beside = {"cached_tokens": cached, "cache_writes": stored}
    return {
        "input_tokens": read - cached,
        "output_tokens": answer.whole("usage", "completion_tokens", default=0),
        **{name: count for name, count in beside.items() if count},
    }
