"""Scripts from sentence patterns. They know nothing about the topic, and say nothing that could be wrong about it."""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Mapping
from itertools import cycle
from typing import Any

from ...exceptions import Rejected
from ...types import Request
from .motifs import FAMILY_WORDS, MOOD_WORDS, SUITS, first_named
from .pacing import seconds_to_say
from .topic import hashtags, set_in, spoken_topic
from .words import LANGUAGES
from .words.phrases import Phrases

MIDDLE = ("background", "detail", "example", "turn", "detail", "example")
MOST_SCENES = 40
TRIES = 250

MOTIFS: dict[str, tuple[str, ...]] = {
    "hills": ("layered hills under a wide sky", "rolling hills with a few pines"),
    "sea": ("the sea with a low sun on the horizon", "a calm sea with one small boat"),
    "lake": ("a lake that mirrors the mountains", "a mountain lake with conifers on its shore"),
    "dunes": ("dunes with long shadows", "soft dunes, one behind another"),
    "forest": ("a forest with light between the trunks", "a quiet forest in haze"),
    "skyline": ("a city skyline with lit windows", "a skyline of towers and domes"),
    "botanical": ("a botanical study of stems and leaves", "plants rising in front of a coloured disc"),
    "waves": ("waves of cut paper, one behind another", "flowing waves of colour"),
    "orbits": ("orbits around a banded planet", "a planet with small moons in orbit"),
    "terraces": ("terraces of cut paper going down", "layers of paper like a canyon"),
    "arcs": ("arcs of paper in a row", "nested arcs and a small sun"),
    "still_life": ("a still life of vases and fruit", "a table with a bowl, a bottle and fruit"),
    "doorway": ("a doorway that opens on to light", "an arched doorway with steps"),
}
MOOD_NAMES = {
    "dawn": "at dawn",
    "dusk": "at dusk",
    "night": "at night",
    "autumn": "in autumn colours",
    "frost": "in frost colours",
    "blossom": "in blossom colours",
    "storm": "in storm colours",
    "meadow": "in meadow colours",
    "ocean": "in blue colours",
    "desert": "in desert colours",
    "clay": "in clay colours",
    "garden": "in spring colours",
}


def write_script(request: Request) -> bytes:
    language = request.language.replace("_", "-").split("-")[0].lower()
    if language not in LANGUAGES:
        known = ", ".join(f"{p.name} ({code})" for code, p in LANGUAGES.items())
        raise Rejected(f"The studio writes no scripts in “{request.language[:40]}”. It can write in {known}.")
    phrases = LANGUAGES[language]
    rng = random.Random(
        hashlib.sha256(f"{request.seed}\n{language}\n{request.prompt}".encode("utf-8", "replace")).digest()
    )
    topic = spoken_topic(request.prompt, instead=phrases.untold)
    scenes = _narrate(rng, phrases, language, topic=topic, seconds=_scene_lengths(request.extra))
    prompts = _visual_prompts(rng, topic, request, count=len(scenes))
    hero = {0, max(range(len(scenes)), key=lambda i: (scenes[i][0] == "turn", i)) if len(scenes) > 3 else 0}
    answer = {
        "title": set_in(rng.choice(phrases.titles), topic),
        "hook": scenes[0][1][0],
        "description": set_in(rng.choice(phrases.descriptions), topic),
        "hashtags": hashtags(topic, little_words=phrases.little_words, general=phrases.hashtags),
        "scenes": [
            {
                "narration": " ".join(sentences),
                "visual_prompt": prompt,
                "seconds": round(seconds_to_say(" ".join(sentences), language), 1),
                "hero": i in hero,
            }
            for i, ((_, sentences), prompt) in enumerate(zip(scenes, prompts, strict=True))
        ],
    }
    return json.dumps(answer, ensure_ascii=False, indent=1).encode()


def _scene_lengths(extra: Mapping[str, Any]) -> list[float]:
    """Planned seconds of each scene; about seven where nothing is said."""
    total = min(600.0, max(0.0, float(extra.get("seconds") or 0)))
    count = int(extra.get("scenes") or 0) or (round(total / 7) if total else 4)
    count = min(MOST_SCENES, max(1, count))
    return [(total or 7.0 * count) / count] * count


def _roles(count: int) -> list[str]:
    middle = [role for role, _ in zip(cycle(MIDDLE), range(max(0, count - 2)), strict=False)]
    return ["hook", *middle, "close"][:count] if count > 1 else ["hook"]


def _narrate(
    rng: random.Random, phrases: Phrases, language: str, *, topic: str, seconds: list[float]
) -> list[tuple[str, list[str]]]:
    """Per scene its role and sentences. What one scene is too long or short, the next ones make up for."""
    used: set[str] = set()
    left = sum(seconds)
    scenes: list[tuple[str, list[str]]] = []
    for i, role in enumerate(_roles(len(seconds))):
        goal = max(1.5, left / (len(seconds) - i))
        sentences = _fill(rng, phrases, role, language, topic=topic, goal=goal, used=used)
        used.update(sentences)
        left -= seconds_to_say(" ".join(sentences), language)
        scenes.append((role, sentences))
    return scenes


def _fill(
    rng: random.Random, phrases: Phrases, role: str, language: str, *, topic: str, goal: float, used: set[str]
) -> list[str]:
    """The set of sentences, out of many drawn by chance, that takes nearest to `goal` seconds."""
    lead = [set_in(pattern, topic) for pattern in getattr(phrases, role)]
    more = [set_in(p, topic) for name in ("background", "detail", "example") for p in getattr(phrases, name)]
    follow = lead if role not in ("hook", "close") else more if role == "hook" else [*phrases.turn, *phrases.detail]
    fresh_lead = [s for s in lead if s not in used] or lead
    fresh_follow = [s for s in follow if s not in used] or follow
    length = {s: seconds_to_say(s, language) for s in {*fresh_lead, *fresh_follow}}
    best, miss = [rng.choice(fresh_lead)], float("inf")
    for _ in range(TRIES):
        sentences = [rng.choice(fresh_lead)]
        total = length[sentences[0]]
        for sentence in rng.sample(fresh_follow, len(fresh_follow)):
            if abs(total + length[sentence] - goal) < abs(total - goal) and sentence not in sentences:
                sentences.append(sentence)
                total += length[sentence]
        if abs(total - goal) < miss:
            best, miss = sentences, abs(total - goal)
        if miss < 0.03 * goal:
            break
    return [*best[1:], best[0]] if role == "close" else best


def _visual_prompts(rng: random.Random, topic: str, request: Request, *, count: int) -> list[str]:
    """One mood for the whole video; the topic's own motif first, then others without a repeat while there are any."""
    wanted = f"{request.prompt[:2000]} {str(request.extra.get('notes') or '')[:2000]}"
    first = first_named(wanted, FAMILY_WORDS) or rng.choice(sorted(MOTIFS))
    mood = first_named(wanted, MOOD_WORDS) or rng.choice(SUITS[first])
    suited = [name for name in sorted(MOTIFS) if name != first and mood in SUITS[name]]
    others = [name for name in sorted(MOTIFS) if name != first and name not in suited]
    rng.shuffle(suited)
    rng.shuffle(others)
    families = [first, *suited, *others]
    format_ = _format(str(request.extra.get("aspect_ratio") or ""))
    topic = re.sub(r"[?!]+$", "", topic)
    return [
        f"{MOTIFS[families[i % len(families)]][i // len(families) % 2].capitalize()} {MOOD_NAMES[mood]}, "
        f"{format_}calm paper-cut illustration, for a film about: {topic}"
        for i in range(count)
    ]


def _format(aspect_ratio: str) -> str:
    try:
        across, down = (float(part) for part in aspect_ratio.split(":"))
    except ValueError:
        return ""
    return "square format, " if across == down else "wide format, " if across > down else "upright format, "
