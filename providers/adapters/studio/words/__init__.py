"""Sentences about any topic, one module a language. The topic itself stands only where any phrase can stand."""

from __future__ import annotations

from . import de, en, es, fr
from .phrases import Phrases

LANGUAGES: dict[str, Phrases] = {"en": en.PHRASES, "de": de.PHRASES, "es": es.PHRASES, "fr": fr.PHRASES}
