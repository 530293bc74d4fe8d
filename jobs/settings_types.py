"""What a batch is to be like: one frozen, versioned value, stored as JSON. `effective` is its only reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

Strategy = Literal["pipelined", "parallel", "chunked", "sequential"]
STRATEGIES: tuple[Strategy, ...] = ("pipelined", "parallel", "chunked", "sequential")
ASPECT_RATIOS = {"16:9": (16, 9), "9:16": (9, 16), "1:1": (1, 1)}
VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSettings:
    strategy: Strategy = "pipelined"
    chunk_size: int = 10  # videos in a chunk
    chunk_pause_s: int = 0  # between two chunks
    language: str = "en"
    voice: str = ""  # "" = the provider's usual voice of the language
    scenes: int = 4
    seconds: int = 20  # of the finished video, planned
    aspect_ratio: str = "16:9"
    short_side: int = 720  # pixels: 720 makes 1280×720, 720×1280 or 720×720
    fps: int = 25
    style: str = ""  # said in every visual prompt
    moderation: bool = False
    script_gate: bool = False  # "let me read the scripts first"
    render_gate: bool = False  # release before render
    takes: int = 1  # candidates for each picture, where one request of the vendor gives several; the best goes on
    auto_retries: int = 1  # new tries by itself when a check fails
    crossfade_s: float = 0.0
    burn_captions: bool = False
    overlay_text: str = ""
    seed: int = 1
    # stage -> Offer ids in the order of preference, where some were chosen; "clip:hero" is for hero scenes
    offers: Mapping[str, int | Sequence[int]] = field(default_factory=dict)
    bulk: Sequence[str] = ()  # stages made in bulk where the offer is sold so: for less, within a day
    failover: bool = False  # the next offer takes over where one is stopped for long, or too slow for the deadline
    declined_elsewhere: bool = False  # what one vendor declines for its content may go to the next
    flaws: Mapping[str, str] = field(default_factory=dict)  # "video:stage:scene" -> flaw, planted in the sample project
    version: int = VERSION

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, both even."""
        across, down = ASPECT_RATIOS[self.aspect_ratio]
        scale = self.short_side / min(across, down)
        return int(across * scale) // 2 * 2, int(down * scale) // 2 * 2

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicRow:
    """One row of a topic list, checked."""

    topic: str
    notes: str = ""
    overrides: Mapping[str, Any] = field(default_factory=dict)  # a partial BatchSettings


def from_json(stored: Mapping[str, Any]) -> BatchSettings:
    """Unknown names (of a newer version) are left aside; missing ones take today's default."""
    known = {f.name for f in fields(BatchSettings)}
    return BatchSettings(**{name: value for name, value in stored.items() if name in known})


def merged(settings: BatchSettings, overrides: Mapping[str, Any]) -> BatchSettings:
    known = {f.name for f in fields(BatchSettings)}
    return replace(settings, **{name: value for name, value in overrides.items() if name in known})


def effective(batch_settings: Mapping[str, Any], overrides: Mapping[str, Any]) -> BatchSettings:
    """The settings one video is made with."""
    return merged(from_json(batch_settings), overrides)
