"""A script as a model wrote it, held to the schema that was asked for, with limits of length and count."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..types import ScriptFacts, ScriptScene
from .answer import MAX_CHARACTERS, Unreadable, clean, object_of

MAX_TITLE, MAX_HOOK, MAX_DESCRIPTION = 200, 500, 5000
MAX_HASHTAGS, MAX_HASHTAG = 30, 100
MAX_SCENES, MAX_NARRATION, MAX_VISUAL_PROMPT, MAX_SCENE_SECONDS = 60, 2000, 2000, 120.0
MARKUP = re.compile(r"<\s*/?\s*[a-zA-Z!][^<>]*>|\]\(\s*[a-zA-Z]+:")


def measure_script(path: Path) -> ScriptFacts:
    if path.stat().st_size > MAX_CHARACTERS * 4:
        return ScriptFacts(error=f"The script is larger than {MAX_CHARACTERS * 4 // 1000:,} KB.")
    try:
        return read_script(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        return ScriptFacts(error="The script is not text in UTF-8.")


def read_script(text: str) -> ScriptFacts:
    """Never raises: what is wrong stands in `error`, and then nothing else is filled in."""
    try:
        return _script(object_of(text))
    except Unreadable as error:
        return ScriptFacts(error=str(error))


def _script(answer: Mapping[str, Any]) -> ScriptFacts:
    return ScriptFacts(
        title=_text(answer, "title", "The script", most=MAX_TITLE),
        hook=_text(answer, "hook", "The script", most=MAX_HOOK, may_be_empty=True),
        description=_text(answer, "description", "The script", most=MAX_DESCRIPTION, may_be_empty=True),
        hashtags=_hashtags(answer),
        scenes=tuple(_scene(each, f"Scene {n}") for n, each in enumerate(_scenes(answer), start=1)),
    )


def _scenes(answer: Mapping[str, Any]) -> list[Any]:
    scenes = _list(answer, "scenes")
    if not scenes:
        raise Unreadable("The script has no scenes.")
    if len(scenes) > MAX_SCENES:
        raise Unreadable(f"The script has {len(scenes):,} scenes; at most {MAX_SCENES} are taken.")
    return scenes


def _scene(scene: Any, place: str) -> ScriptScene:
    if not isinstance(scene, dict):
        raise Unreadable(f"{place} of the script is not an object with named fields.")
    hero = scene.get("hero", False)
    if not isinstance(hero, bool):
        raise Unreadable(f"{place}: “hero” is neither true nor false.")
    return ScriptScene(
        narration=_text(scene, "narration", place, most=MAX_NARRATION),
        visual_prompt=_text(scene, "visual_prompt", place, most=MAX_VISUAL_PROMPT),
        seconds=_seconds(scene, place),
        hero=hero,
    )


def _seconds(scene: Mapping[str, Any], place: str) -> float:
    value = scene.get("seconds")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unreadable(f"{place}: “seconds” is missing or no number.")
    if not 0 < value <= MAX_SCENE_SECONDS:
        raise Unreadable(f"{place}: “seconds” must be above 0 and at most {MAX_SCENE_SECONDS:g}.")
    return float(value)


def _hashtags(answer: Mapping[str, Any]) -> tuple[str, ...]:
    tags = _list(answer, "hashtags")
    if len(tags) > MAX_HASHTAGS:
        raise Unreadable(f"The script has {len(tags):,} hashtags; at most {MAX_HASHTAGS} are taken.")
    numbered = {str(n): tag for n, tag in enumerate(tags, start=1)}
    return tuple(_text(numbered, n, "Hashtag", most=MAX_HASHTAG) for n in numbered)


def _list(answer: Mapping[str, Any], name: str) -> list[Any]:
    value = answer.get(name)
    if not isinstance(value, list):
        raise Unreadable(f"The script's “{name}” is missing or no list.")
    return value


def _text(fields: Mapping[str, Any], name: str, place: str, *, most: int, may_be_empty: bool = False) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise Unreadable(f"{place}: “{name}” is missing or no text.")
    text = clean(value)
    if not text and not may_be_empty:
        raise Unreadable(f"{place}: “{name}” is empty.")
    if len(text) > most:
        raise Unreadable(f"{place}: “{name}” has {len(text):,} characters; at most {most:,} are taken.")
    found = MARKUP.search(text)
    if found:
        raise Unreadable(
            f"{place}: “{name}” holds markup ({found.group()[:40]}), which would be spoken or shown as it is."
        )
    return text
