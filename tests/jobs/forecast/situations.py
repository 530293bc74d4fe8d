"""A small market in plain values: one provider, lane and offer for each stage, unless a test says otherwise."""

from __future__ import annotations

from dataclasses import replace

from jobs.forecast import LaneFacts, Measured, Order, Plain, PriceFacts, ProviderFacts, QuotaFacts, VideoPlan
from jobs.routing import CAPABILITY_OF, OfferFacts
from jobs.settings_types import BatchSettings
from jobs.states import Stage
from providers.limits import Window

STAGES = (Stage.SCRIPT, Stage.VOICEOVER, Stage.IMAGE, Stage.CLIP, Stage.RENDER)
SECONDS = {"script": 10.0, "voiceover": 4.0, "image": 12.0, "clip": 90.0, "render": 8.0}


def an_order(videos=1, scenes=2, **values):
    settings = BatchSettings(scenes=scenes, seconds=4 * scenes, **values)
    return Order(settings=settings, videos=(VideoPlan(settings=settings, scenes=scenes),) * videos)


def a_market(
    order=None, *, seconds=SECONDS, spread=0.0, caps=None, check_s=0.0, quotas=(), shared=None, measured=None, **values
):
    """`caps` by stage; `shared`: a cap over one provider that sells everything but renders."""
    caps, measured = caps or {}, measured or {}
    providers, lanes, offers, known = [], [], [], {}
    for number, stage in enumerate(STAGES, start=1):
        here = stage == Stage.RENDER
        provider = number if shared is None or here else 1
        if provider == number:
            name = "This machine" if here else f"Vendor {number}"
            providers.append(ProviderFacts(id=number, name=name, cap=None if here else shared, is_here=here))
        lanes.append(
            LaneFacts(id=number, provider_id=provider, name=f"{stage.label}s", cap=caps.get(stage), holds_thread=False)
        )
        capability = CAPABILITY_OF[stage].value
        offers.append(OfferFacts(id=number, provider_id=provider, lane_id=number, capability=capability, name=stage))
        middle = seconds[stage]
        durations = tuple(middle * (1 + spread * (n - 10) / 10) for n in range(21))
        facts = Measured(durations=durations, check_s=check_s, calls=100, judged=100)
        known[stage.value, number] = replace(facts, **measured.get(stage, {}))
    return Plain(
        **{
            "order": order or an_order(),
            "providers": tuple(providers),
            "lanes": tuple(lanes),
            "offers": tuple(offers),
            "measured": known,
            "quotas": tuple(quotas),
            "threads": 32,
            "places": 100,
            "pickup_s": 0.0,
            **values,
        }
    )


def a_quota(stage, amount, seconds, **values):
    number = STAGES.index(stage) + 1
    window = Window(amount=amount, seconds=seconds, guard_s=values.pop("guard_s", 0.0))
    capability = CAPABILITY_OF[stage].value
    return QuotaFacts(provider_id=number, unit="requests", capability=capability, window=window, **values)


def a_price(stage, unit, micro, per=1):
    return PriceFacts(provider_id=STAGES.index(stage) + 1, unit=unit, micro=micro, per=per)


def with_heroes(plain, *, seconds, cap=None):
    """Clips of hero scenes are made by an offer and in a lane of their own, number 9."""
    lane = LaneFacts(id=9, provider_id=9, name="Hero clips", cap=cap, holds_thread=False)
    facts = Measured(durations=(seconds,) * 21, calls=100, judged=100)
    return replace(
        plain,
        providers=(*plain.providers, ProviderFacts(id=9, name="Vendor 9")),
        lanes=(*plain.lanes, lane),
        offers=(*plain.offers, OfferFacts(id=9, provider_id=9, lane_id=9, capability="clip", name="dear")),
        measured={**plain.measured, ("clip", 9): facts},
    )
