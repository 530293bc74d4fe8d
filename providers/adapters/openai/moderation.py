"""Moderation, free of charge: POST /moderations, of a text, a picture, or both.

https://developers.openai.com/api/docs/models/omni-moderation-latest (read 2026-11-21). Some categories are judged by
words alone: for a picture they come with a score of 0, which means "not looked at", so they are told apart here.
"""

from __future__ import annotations

import json
from typing import Any

from ...answers import Said
from ...exceptions import Rejected, Unknown
from ...pictures import data_uri
from ...types import Finished, Output, Request
from .bodies import with_own

LETTERS_OF_PICTURE = 20_000_000 * 4 // 3  # of a data URI; the file may have 20 MB


def body(request: Request) -> dict[str, Any]:
    return with_own({"model": request.offer, "input": _input(request)}, request)


def _input(request: Request) -> str | list[dict[str, Any]]:
    pictures = [file for file in request.inputs if file.role == "image"]
    if len(pictures) > 1:
        raise Rejected(f"OpenAI judges one picture at a time, and there are {len(pictures)}.")
    if not pictures and not request.prompt.strip():
        raise Rejected("There is neither a text nor a picture to judge.")
    if not pictures:
        return request.prompt
    words: list[dict[str, Any]] = [{"type": "text", "text": request.prompt}] if request.prompt.strip() else []
    url = data_uri(pictures[0], LETTERS_OF_PICTURE)
    return [*words, {"type": "image_url", "image_url": {"url": url}}]


def read(answer: Said, request: Request) -> Finished:
    results = list(answer.items("results"))
    if not results:
        raise answer.unusable("a judgement")
    scores: dict[str, float] = {}
    unseen: set[str] = set()
    for result in results:
        for name, score in _scores(result):
            if _is_looked_at(result, name):
                scores[name] = max(score, scores.get(name, 0.0))
            else:
                unseen.add(name)
    if not scores:
        raise answer.unusable("scores")
    judged = {
        "flagged": any(result.flag("flagged") for result in results),
        "categories": scores,
        "not_looked_at": sorted(unseen - set(scores)),
        "basis": answer.text("model", default=request.offer),
    }
    content = json.dumps(judged, ensure_ascii=False).encode()
    outputs = (Output(content=content, media_type="application/json"),)
    return Finished(outputs=outputs, units={}, external_id=answer.text("id", default=""))


def _scores(result: Said) -> list[tuple[str, float]]:
    scores = result.part("category_scores")
    found = [(name, scores.number(name)) for name in scores.value]
    if not all(0 <= score <= 1 for _, score in found):
        raise Unknown("OpenAI answered with scores that are none.", detail=json.dumps(scores.value)[:1500])
    return found


def _is_looked_at(result: Said, name: str) -> bool:
    kinds = result.value.get("category_applied_input_types")
    return not isinstance(kinds, dict) or kinds.get(name) != []
