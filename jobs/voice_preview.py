"""A sentence spoken by a voice, so that it can be chosen by ear. Made once, kept by what was said and by whom."""

from __future__ import annotations

import hashlib
import tempfile
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooSlow
from pathlib import Path

from django.conf import settings
from django.db.models import QuerySet

from jobs.control import Refused
from providers import registry
from providers.exceptions import CallError
from providers.models import Offer
from providers.types import Capability, Finished, Request

LONGEST_S = 10.0
SENTENCES = {
    "en": "Hello! This is how your videos will sound. Every story starts with a good voice.",
    "de": "Hallo! So werden deine Videos klingen. Jede Geschichte beginnt mit einer guten Stimme.",
    "es": "¡Hola! Así van a sonar tus vídeos. Toda historia empieza con una buena voz.",
    "fr": "Bonjour ! Voici le son de vos vidéos. Chaque histoire commence par une belle voix.",
    "it": "Ciao! Così suoneranno i tuoi video. Ogni storia comincia con una bella voce.",
    "nl": "Hallo! Zo gaan je video's klinken. Elk verhaal begint met een goede stem.",
    "pt": "Olá! É assim que os seus vídeos vão soar. Toda história começa com uma boa voz.",
}


def offered_voices() -> dict[str, list[tuple[str, str]]]:
    """(name, label) by language, of every provider that is switched on."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for voices in _offers().values_list("voices", flat=True):
        for language, name, label in voices:
            found[language].append((name, label))
    return dict(found)


def preview(*, language: str, voice: str) -> Path:
    """The sound file; raises Refused with a sentence. Voices that cost money are not tried."""
    voices = offered_voices()
    if language not in voices or (voice and voice not in dict(voices[language])):
        raise Refused("That voice is not offered for this language. Choose one from the list.")
    offer = _local_offer(language, voice)
    text = SENTENCES.get(language, SENTENCES["en"])
    name = hashlib.sha256("\n".join((offer.provider.slug, offer.name, language, voice, text)).encode()).hexdigest()
    path = Path(settings.MEDIA_ROOT) / "previews" / f"{name}.wav"
    if not path.exists():
        _speak(offer, text=text, language=language, voice=voice, path=path)
    return path


def _local_offer(language: str, voice: str) -> Offer:
    """Of a provider on this machine that has the voice; without a voice, one that speaks the language."""
    for offer in _offers().select_related("provider"):
        fits = any(known == language and name == (voice or name) for known, name, _label in offer.voices)
        if fits and registry.get(offer.provider.slug).local:
            return offer
    raise Refused("This voice belongs to a provider that charges for every call, so it is not tried out here.")


def _offers() -> QuerySet[Offer]:
    return Offer.objects.usable().filter(capability=Capability.VOICEOVER)


def _speak(offer: Offer, *, text: str, language: str, voice: str, path: Path) -> None:
    request = Request(capability=Capability.VOICEOVER, offer=offer.name, prompt=text, language=language, voice=voice)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.WORK_ROOT) as folder:
        adapter = registry.get(offer.provider.slug)(workdir=Path(folder))
        thread = ThreadPoolExecutor(1)
        try:
            answer = thread.submit(adapter.submit, request).result(timeout=LONGEST_S)
        except TooSlow:
            raise Refused("The voice took too long just now: the machine is busy. Try again in a moment.") from None
        except CallError as error:
            raise Refused(error.message) from error
        finally:
            thread.shutdown(wait=False)
        output = answer.outputs[0] if isinstance(answer, Finished) and answer.outputs else None
        if output is None or output.path is None:
            raise Refused(f"{offer.provider} gave no sound file for this voice.")
        output.path.replace(path)  # both in the data folder: one move, never half a file
