"""What vendors sell, at which price and under which limits: dated files beside this one, one a vendor. Pure.

    checked = 2026-09-15                 # when its sources were read
    sources = ["https://…"]
    max_in_flight = 2                    # calls and jobs at once, over all lanes; optional
    bulk_share = 0.5                     # of its price, for a call that goes out in bulk; optional
    [[lanes]]  capability, offer = "", max_in_flight
    [[quotas]] capability = "", offer = "", unit, amount, window_s, strict = false
    [[offers]] capability, name, label, retires_on, successor, price = {unit, micro, per = 1, beside = {}}

Offers that an adapter declares need no label here; what is named here alone is there to be told apart, as retired ones.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from ..types import Capability

UNITS = ("requests", "images", "tokens", "characters")


class CatalogueError(Exception):
    """A file that cannot be used; the sentence names it and the entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneEntry:
    capability: str
    offer: str = ""
    max_in_flight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaEntry:
    capability: str = ""
    offer: str = ""
    unit: str
    amount: int
    window_s: float
    strict: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceEntry:
    unit: str
    micro: int
    per: int = 1
    beside: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferEntry:
    capability: str
    name: str
    label: str = ""
    retires_on: date | None = None
    successor: str = ""
    price: PriceEntry | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    checked: date
    sources: tuple[str, ...] = ()
    max_in_flight: int | None = None
    bulk_share: float | None = None
    lanes: tuple[LaneEntry, ...] = ()
    quotas: tuple[QuotaEntry, ...] = ()
    offers: tuple[OfferEntry, ...] = ()

    def offer(self, capability: str, name: str) -> OfferEntry | None:
        return next((offer for offer in self.offers if (offer.capability, offer.name) == (capability, name)), None)

    def in_bulk(self, price: PriceEntry) -> PriceEntry | None:
        """The same amounts for more units, so that nothing is rounded; None where it is not known."""
        return replace(price, per=round(price.per / self.bulk_share)) if self.bulk_share else None


@cache
def of(slug: str) -> Catalogue | None:
    """None for a vendor without a file."""
    path = Path(__file__).with_name(f"{slug}.toml")
    return read(path.name, path.read_text()) if path.exists() else None


def read(name: str, text: str) -> Catalogue:
    """Raises CatalogueError."""
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError(f"{name} is not TOML: {error}.") from error
    catalogue = Catalogue(
        checked=_typed(name, said.get("checked"), date, "checked"),
        sources=tuple(said.get("sources", ())),
        max_in_flight=said.get("max_in_flight"),
        bulk_share=said.get("bulk_share"),
        lanes=tuple(_entry(name, LaneEntry, one) for one in said.get("lanes", ())),
        quotas=tuple(_entry(name, QuotaEntry, one) for one in said.get("quotas", ())),
        offers=tuple(_offer(name, one) for one in said.get("offers", ())),
    )
    _check(name, catalogue)
    return catalogue


Kind = TypeVar("Kind")


def _entry(name: str, kind: type[Kind], said: Mapping[str, Any]) -> Kind:
    known: Any = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    for word in said:
        if word not in known:
            raise CatalogueError(f"{name}: “{word}” is no part of {said}. There are: {', '.join(known)}.")
    for word, part in known.items():
        if word not in said and part.default is MISSING and part.default_factory is MISSING:
            raise CatalogueError(f"{name}: {dict(said)} lacks “{word}”.")
    return kind(**said)


def _offer(name: str, said: Mapping[str, Any]) -> OfferEntry:
    price = said.get("price")
    entry = _entry(name, PriceEntry, price) if price is not None else None
    return _entry(name, OfferEntry, {**said, "price": entry})


def _typed(name: str, value: Any, kind: type[Kind], word: str) -> Kind:
    if not isinstance(value, kind):
        raise CatalogueError(f"{name}: “{word}” is missing, or no {kind.__name__}.")
    return value


def _check(name: str, catalogue: Catalogue) -> None:
    """What a typing error would make of it: unknown words, amounts that make no sense, successors that do not exist."""
    if catalogue.bulk_share is not None and not 0 < catalogue.bulk_share <= 1:
        raise CatalogueError(f"{name}: “bulk_share” is a share of the price, as 0.5.")
    names = {(offer.capability, offer.name) for offer in catalogue.offers}
    if len(names) < len(catalogue.offers):
        raise CatalogueError(f"{name} names an offer twice.")
    kinds = {one.capability for one in catalogue.lanes} | {one.capability for one in catalogue.quotas}
    kinds |= {one.capability for one in catalogue.offers}
    for kind in sorted(kinds - {"", *Capability}):
        raise CatalogueError(f"{name}: “{kind}” is no capability.")
    for quota in catalogue.quotas:
        if quota.unit not in UNITS or quota.amount < 1 or quota.window_s <= 0:
            raise CatalogueError(f"{name}: the quota {quota} makes no sense. Units are {', '.join(UNITS)}.")
    for offer in catalogue.offers:
        if offer.successor and (offer.capability, offer.successor) not in names:
            raise CatalogueError(f"{name}: {offer.name} has the successor {offer.successor}, which is not in the file.")
        rates = [offer.price.micro, *offer.price.beside.values()] if offer.price else []
        if not all(type(micro) is int and micro >= 0 for micro in rates) or (offer.price and offer.price.per < 1):
            raise CatalogueError(f"{name}: the price of {offer.name} makes no sense.")
