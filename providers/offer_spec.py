"""What an adapter declares about the models it sells: plain data, read once to make the rows an admin edits."""

from __future__ import annotations

from dataclasses import dataclass

from .types import Capability


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferSpec:
    capability: Capability
    name: str  # the vendor's own name of the model
    label: str
    lengths: tuple[int, ...] = ()  # whole seconds that clips are sold in; () when length is no matter
    # (language, name for Request.voice, label); the first of a language is its default
    voices: tuple[tuple[str, str, str], ...] = ()
    max_prompt: int = 0  # characters; 0 when no limit is known
    takes: int = 1  # candidates that one request can give
    takes_image: bool = False  # a clip starts from a picture, and cannot without one
    sizes: tuple[tuple[int, int], ...] = ()  # (width, height) in pixels; () when any will do
    tier: str = ""  # "draft", "standard" or "hero": where it stands in what its vendor sells
