"""One smallest real call to a vendor, to see whether key, money and network are in order; or a free look at the
account."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from django.utils import timezone
from PIL import Image

from . import credentials, registry, wire
from .base import Adapter
from .exceptions import CallError, NotSent, OutOfCredit, RateLimited, Rejected, Unauthorised, Unknown
from .models import Offer, Price, Provider, price_for
from .pricing import cost
from .signals import provider_tried
from .types import Accepted, Answer, Capability, Failed, Finished, InputFile, Request, Running

CHEAPEST_FIRST = (Capability.MODERATION, Capability.SCRIPT, Capability.VOICEOVER, Capability.IMAGE, Capability.CLIP)
PROMPTS = {
    Capability.MODERATION: "A red apple lies on a table.",
    Capability.SCRIPT: "Why apples are red",
    Capability.VOICEOVER: "Hello.",
    Capability.IMAGE: "A red apple on a table, studio light",
    Capability.CLIP: "The camera moves slowly towards the apple",
}
MOST_S = 900.0  # until a job is left to itself
POLL_S = 5.0
REMEDIES: tuple[tuple[type[CallError], str], ...] = (
    (Unauthorised, "Check the key, and that it belongs to this interface and region."),
    (OutOfCredit, "Buy credit, or raise the cap of the key, in the vendor's console."),
    (RateLimited, "The key works; the vendor asks to wait. Try again in a minute."),
    (Rejected, "The key works; the vendor refused this request. Try another model with --offer."),
    (NotSent, "The vendor cannot be reached from here: check network, proxy and firewall."),
    (CallError, "Look into the vendor's console whether something was made and billed before you try again."),
)


class CannotTry(Exception):
    """Nothing was sent; the sentence says why, and what to do."""


@dataclass(slots=True)
class Trial:
    provider: str
    offer: str
    ok: bool = False
    said: str = "It was broken off."  # how it ended, in a sentence
    micro: int | None = None  # what it cost; None where that is not known
    booked_micro: int = 0  # what stands in the ledger for it: where it is not known, the most that it may have cost
    job: str = ""  # the vendor's name of it
    limits: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    took_s: float = 0.0


def try_provider(
    slug: str,
    *,
    capability: str = "",
    offer: str = "",
    tell: Callable[[str], None] = lambda text: None,
    sleep: Callable[[float], None] = time.sleep,
    poll_s: float | None = None,
) -> Trial:
    """Sends one call that costs money. Raises CannotTry before anything is sent."""
    adapter_type = _adapter_type(slug)
    chosen = _offer(slug, capability, offer)
    with tempfile.TemporaryDirectory() as folder:
        request = _request(chosen, adapter_type, Path(folder))
        adapter = _made(adapter_type, Path(folder))
        trial, began, is_sent = Trial(provider=adapter_type.label, offer=chosen.name), time.monotonic(), True
        prices = Price.objects.valid(timezone.now()).filter(provider=chosen.provider_id)
        price = price_for(prices, chosen.capability, chosen.pk)
        tell(f"Asking {adapter_type.label} for the smallest {chosen.capability} by {chosen.name} …")
        try:
            answer: Answer = adapter.submit(request)
            trial.limits = _limits(adapter)
            while isinstance(answer, Accepted | Running):
                if isinstance(answer, Accepted):
                    trial.job = answer.external_id
                    tell(f"Accepted as {trial.job}; waiting for the result …")
                elif time.monotonic() > began + MOST_S:
                    minutes = f"{MOST_S / 60:.0f} minutes"
                    raise NotSent(f"The job {trial.job} still runs after {minutes}; it was left to itself.")
                sleep(max(POLL_S, adapter.least_poll_s) if poll_s is None else poll_s)
                answer = adapter.poll(trial.job)
            _ended(trial, price, answer)
        except CallError as error:
            is_sent = bool(trial.job) or isinstance(error, Unknown)
            trial.said = f"{error.message} {remedy_of(error)}"
        finally:  # also when somebody breaks it off
            trial.took_s = time.monotonic() - began
            _remember(slug, trial, timezone.now())
            if is_sent and not adapter.local:
                most = cost(price, adapter.most_units(request)) if price else 0
                trial.booked_micro = most if trial.micro is None else trial.micro
                provider_tried.send(sender=Provider, provider=chosen.provider, trial=trial)
    return trial


def look_at_account(slug: str) -> Trial:
    """A call that costs nothing, where the vendor has one: whether the key works, and what is left."""
    adapter_type = _adapter_type(slug)
    trial = Trial(provider=adapter_type.label, offer="")
    with tempfile.TemporaryDirectory() as folder:
        try:
            trial.said, trial.ok = _made(adapter_type, Path(folder)).account(), True
        except NotImplementedError:
            raise CannotTry(
                f"{adapter_type.label} has no call that costs nothing: run manage.py try_provider {slug}."
            ) from None
        except CallError as error:
            trial.said = f"{error.message} {remedy_of(error)}"
    _remember(slug, trial, timezone.now())
    return trial


def remedy_of(error: CallError) -> str:
    return next(remedy for kind, remedy in REMEDIES if isinstance(error, kind))


def _adapter_type(slug: str) -> type[Adapter]:
    try:
        adapter = registry.get(slug)
    except LookupError:
        known = ", ".join(sorted(registry.all_adapters()))
        raise CannotTry(f"There is no provider {slug!r}. There are: {known}.") from None
    if not credentials.is_set(adapter):
        raise CannotTry(f"{adapter.label} needs a key: set {adapter.key_env} in the environment, then try again.")
    return adapter


def _made(adapter: type[Adapter], folder: Path) -> Adapter:
    provider = Provider.objects.filter(slug=adapter.slug).first()
    return adapter(
        workdir=folder / "work",
        base_url=credentials.url_of(adapter),
        key=credentials.key_of(adapter),
        session=wire.session(),
        options=provider.options if provider else {},
    )


def _offer(slug: str, capability: str, name: str) -> Offer:
    offers = list(Offer.objects.filter(provider__slug=slug, retires_on=None).order_by("pk"))
    offers += list(Offer.objects.filter(provider__slug=slug, retires_on__gt=timezone.now().date()).order_by("pk"))
    fitting = [o for o in offers if capability in ("", o.capability) and name in ("", o.name)]
    for wanted in CHEAPEST_FIRST:
        if found := next((offer for offer in fitting if offer.capability == wanted), None):
            return found
    known = ", ".join(f"{o.capability} {o.name}" for o in offers) or "none; run manage.py sync_providers"
    raise CannotTry(f"{slug} has no such offer. There are: {known}.")


def _request(offer: Offer, adapter: type[Adapter], folder: Path) -> Request:
    capability = Capability(offer.capability)
    inputs: tuple[InputFile, ...] = ()
    if capability is Capability.CLIP:
        if adapter.public_inputs:
            raise CannotTry(f"{adapter.label} fetches pictures by itself: try it with a batch of one topic instead.")
        path = folder / "apple.png"
        Image.new("RGB", (1280, 720), "firebrick").save(path)
        inputs = (InputFile(path=path, sha256="", media_type="image/png", role="image"),)
    voices = [name for _, name, _ in offer.voices]
    return Request(
        capability=capability,
        offer=offer.name,
        prompt=PROMPTS[capability],
        inputs=inputs,
        width=1280,
        height=720,
        seconds=float(min(offer.lengths, default=5)) if capability is Capability.CLIP else 0.0,
        voice=voices[0] if voices else "",
        tag="try" + timezone.now().strftime("%Y%m%d%H%M%S"),
        extra={"scenes": 1, "seconds": 5} if capability is Capability.SCRIPT else {},
    )


def _ended(trial: Trial, price: Price | None, answer: Finished | Failed) -> None:
    if isinstance(answer, Finished):
        trial.job = trial.job or answer.external_id
    is_billed = isinstance(answer, Finished) or answer.billed
    known = price is not None and (price.unit == "calls" or price.unit in answer.units or not is_billed)
    if price is not None and known:
        trial.micro = cost(price, answer.units) if is_billed else 0
    if isinstance(answer, Failed):
        trial.said = f"It ended badly: {answer.reason}"
        return
    trial.ok, trial.said = True, "It works."
    for output in answer.outputs:
        size = len(output.content) if output.content is not None else output.path.stat().st_size if output.path else 0
        trial.files.append(output.url or f"{output.media_type or 'a file'}, {size:,} bytes")


def _limits(adapter: Adapter) -> list[str]:
    told = []
    for limit in adapter.limits:
        parts = [f"{limit.unit}:"]
        parts += [f"{limit.remaining} left"] if limit.remaining is not None else []
        parts += [f"of {limit.limit}"] if limit.limit is not None else []
        parts += [f"until {limit.reset_s:.0f} s from now"] if limit.reset_s is not None else []
        told.append(" ".join(parts))
    return told + ([f"not understood: {adapter.nonsense}"] if adapter.nonsense else [])


def _remember(slug: str, trial: Trial, now: datetime) -> None:
    worked = {"worked_at": now} if trial.ok else {}
    Provider.objects.filter(slug=slug).update(tried_at=now, tried_note=trial.said[:300], **worked)
