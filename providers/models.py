"""Who sells what, how fast and at what price: the rows an admin edits."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from math import inf
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Case, F, Q, When
from django.utils import timezone

from . import credentials, registry
from .limits import LONG_S, guard_of
from .types import Capability

SHORTEST_S, LONGEST_S = 0.1, 31 * 86_400.0
NOTHING = "A quota of nothing stops every call. Write at least 1, or pause the lane instead."
LANE_TWICE = "There is a lane for the same calls already. Change the cap of that one instead."
TWICE = "There is a quota for the same calls, unit and window already. Change the amount of that one instead."
CAPABILITIES = [(capability.value, capability.value.capitalize()) for capability in Capability]


class FromCatalogue(models.Model):
    """A row that may have been made of the catalogue: what that said last (providers/sync.py)."""

    catalogue = models.JSONField(default=dict, editable=False)

    class Meta:
        abstract = True


class Provider(FromCatalogue):
    """One vendor account. Its adapter is found by `slug`; its key is in the environment, never here."""

    slug = models.SlugField(unique=True)
    label = models.CharField(max_length=100)
    enabled = models.BooleanField(default=True, help_text="Off: nothing new is planned for this provider.")
    paused = models.BooleanField(default=False, help_text="Nothing new is sent; what runs goes on.")
    paused_until = models.DateTimeField(null=True, blank=True, editable=False)
    pause_reason = models.CharField(max_length=300, blank=True)
    max_in_flight = models.PositiveIntegerField(
        null=True, blank=True, help_text="Calls and remote jobs at once, over all its lanes. Empty: no cap of its own."
    )
    options = models.JSONField(
        default=dict, blank=True, help_text='Passed to the adapter, e.g. {"slow_s": 5} makes the studio slow.'
    )

    tried_at = models.DateTimeField(null=True, editable=False)  # by try_provider, or the button in the admin
    tried_note = models.CharField(max_length=300, blank=True, editable=False)
    worked_at = models.DateTimeField(null=True, editable=False)
    synced = models.JSONField(default=list, editable=False)  # rows that were made of the catalogue once

    class Meta:
        ordering: ClassVar = ["label"]

    def __str__(self) -> str:
        return self.label

    def is_open(self, now: datetime) -> bool:
        return self.enabled and not self.paused and (self.paused_until is None or self.paused_until <= now)


class OfferQuerySet(models.QuerySet["Offer"]):
    def usable(self) -> OfferQuerySet:
        """What can be made with now: on sale, switched on, with a key where one is needed. What works here is first."""
        local, slugs = _reachable()
        mine = Case(When(provider__slug__in=local, then=0), default=1)
        rows = self.filter(enabled=True, provider__enabled=True, provider__slug__in=slugs)
        retired = Q(retires_on__lte=timezone.now().date())
        return rows.exclude(retired).order_by(mine, "pk")


def _reachable() -> tuple[set[str], set[str]]:
    """(slugs of what works on this machine, of all that have their key)."""
    adapters = registry.all_adapters().values()
    local = {adapter.slug for adapter in adapters if adapter.local}
    return local, {adapter.slug for adapter in adapters if credentials.is_set(adapter)}


class Offer(FromCatalogue):
    """A model of a provider."""

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="offers")
    capability = models.CharField(max_length=20, choices=CAPABILITIES)
    name = models.CharField(max_length=100, help_text="The vendor's own name of the model.")
    label = models.CharField(max_length=100)
    lengths = models.JSONField(default=list, blank=True, help_text="Clip lengths it sells, in seconds.")
    voices = models.JSONField(default=list, blank=True, help_text="Voices as [language, name, label].")
    enabled = models.BooleanField(default=True)
    retires_on = models.DateField(null=True, blank=True)
    successor = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL)
    takes = models.PositiveSmallIntegerField(default=1, help_text="Candidates that one request can give.")
    tier = models.CharField(max_length=10, blank=True, help_text="draft, standard or hero: where it stands.")
    parameters = models.JSONField(
        default=dict,
        blank=True,
        help_text='Goes along with every request, in the vendor\'s own words: {"guidance": 3}.',
    )

    objects = OfferQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["provider", "capability", "name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["provider", "capability", "name"], name="offer_once"),
        ]

    def __str__(self) -> str:
        return f"{self.label} ({self.provider})"

    def clean_fields(self, exclude: Collection[str] | None = None) -> None:
        """Of those that a form shows: the list of offers saves rows whose lengths it does not."""
        super().clean_fields(exclude=exclude)
        errors = {}
        for name, (is_so, sentence) in SHAPES.items():
            if name in (exclude or ()):
                continue
            if getattr(self, name) is None:
                field: Any = self._meta.get_field(name)
                setattr(self, name, field.get_default())
            elif not is_so(getattr(self, name)):
                errors[name] = sentence
        if errors:
            raise ValidationError(errors)


def _are_lengths(value: Any) -> bool:
    return isinstance(value, list) and all(type(each) in (int, float) and 0 < each < inf for each in value)


def _are_voices(value: Any) -> bool:
    words = [str, str, str]
    return isinstance(value, list) and all(isinstance(each, list) and [*map(type, each)] == words for each in value)


SHAPES: dict[str, tuple[Callable[[Any], bool], str]] = {  # of an offer's JSON; what reads it relies on it
    "lengths": (_are_lengths, "Write the lengths in seconds as a list, e.g. [5, 10]; [] where any can be had."),
    "voices": (_are_voices, 'Write each voice as [language, name, label]: [["en", "nova", "Nova"]].'),
    "parameters": (lambda value: isinstance(value, dict), 'Write names with their values: {"guidance": 3}.'),
}


class Selected(FromCatalogue):
    """A row that applies to a whole provider, to one capability of it, or to one offer."""

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE)
    capability = models.CharField(max_length=20, choices=CAPABILITIES, blank=True, help_text="Empty: all of them.")
    offer = models.ForeignKey(
        Offer, on_delete=models.CASCADE, null=True, blank=True, help_text="Empty: all of the capability."
    )

    class Meta:
        abstract = True

    @property
    def is_of_all(self) -> bool:
        return not self.capability and self.offer_id is None

    def matches(self, capability: str, offer_id: int | None) -> bool:
        return self.capability in ("", capability) and self.offer_id in (None, offer_id)

    def clean(self) -> None:
        if self.offer is None:
            return
        if self.offer.provider_id != self.provider_id:
            raise ValidationError({"offer": f"This offer belongs to {self.offer.provider}, not to {self.provider}."})
        if self.capability and self.offer.capability != self.capability:
            raise ValidationError({"offer": f"This offer makes {self.offer.capability}, not {self.capability}."})


class Lane(Selected):
    """Where steps queue. What it has learned about its vendor is kept here, too."""

    bulk = models.BooleanField(  # for steps that go out as lines of bulk jobs (jobs/engine/bulk.py), not as calls
        default=False, db_default=False, editable=False
    )
    max_in_flight = models.PositiveIntegerField(
        null=True, blank=True, help_text="Calls and remote jobs at once. More gives throughput, not lower latency."
    )
    learned_cap = models.PositiveIntegerField(null=True, editable=False)  # the vendor said so; obeyed when lower
    learned_cap_at = models.DateTimeField(null=True, editable=False)
    paused = models.BooleanField(default=False, help_text="Nothing new is sent; what runs goes on.")
    paused_until = models.DateTimeField(null=True, blank=True, editable=False)
    pause_reason = models.CharField(max_length=300, blank=True)
    fastest_s = models.FloatField(null=True, editable=False)
    slowest_s = models.FloatField(null=True, editable=False)
    durations = models.JSONField(default=dict, editable=False)  # of jobs that ended: {kind of job: [seconds, …]}
    hooks_missed = models.PositiveSmallIntegerField(default=0, editable=False)  # webhooks, in a row
    queues_ahead = models.PositiveSmallIntegerField(
        default=0,
        help_text="Jobs sent beyond the cap, where the vendor keeps them waiting itself, so that no place idles there. "
        "0 where it refuses what is too much.",
    )
    jitter_s = models.FloatField(
        default=0.0,
        validators=[
            MinValueValidator(0.0, "The way to the vendor varies by 0 seconds or more."),
            MaxValueValidator(60.0, "No way varies by more than a minute. Write seconds, e.g. 0.3."),
        ],
        help_text="Where it is known: by how many seconds the way of a call to the vendor varies. 0: it is learned.",
    )
    guard_s = models.FloatField(default=0.0, editable=False)  # learned: so much closer may calls come together there
    tokens_seen = models.JSONField(default=dict, editable=False)  # a Reckoning: what reserved tokens come to
    paced = models.BooleanField(default=False, editable=False)  # no bursts: one was refused that our log calls legal
    paced_since = models.DateTimeField(null=True, editable=False)  # the last refusal
    paced_times = models.PositiveSmallIntegerField(default=0, editable=False)  # bursts that were tried again in vain
    failures_in_row = models.PositiveSmallIntegerField(default=0, editable=False)
    failed_at = models.JSONField(default=list, editable=False)  # moments of the last minute's failures
    broken_until = models.DateTimeField(null=True, editable=False)  # then one call is let through, to see
    broken_times = models.PositiveSmallIntegerField(default=0, editable=False)  # in a row

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["provider", "capability", "bulk"],
                condition=Q(offer=None),
                name="lane_once_without_offer",
                violation_error_message=LANE_TWICE,
            ),
            models.UniqueConstraint(
                fields=["provider", "capability", "offer", "bulk"],
                condition=~Q(offer=None),
                name="lane_once_with_offer",
                violation_error_message=LANE_TWICE,
            ),
        ]

    def __str__(self) -> str:
        offer, bulk = f" · {self.offer.name}" if self.offer else "", " · in bulk" if self.bulk else ""
        return f"{self.provider} · {self.capability}{offer}{bulk}"

    def validate_constraints(self, exclude: Collection[str] | None = None) -> None:
        """`bulk` is in no form, and decides all the same whether there is such a lane already."""
        super().validate_constraints(exclude=set(exclude or ()) - {"bulk"})

    @property
    def has_cap(self) -> bool:
        return self.at_once is not None or self.provider.max_in_flight is not None

    @property
    def at_once(self) -> int | None:
        """The cap; the vendor's own word may lower it, never raise it. None: any number."""
        return min((cap for cap in (self.max_in_flight, self.learned_cap) if cap is not None), default=None)

    @property
    def is_lowered(self) -> bool:
        """The vendor allows less at once than was set."""
        return self.at_once != self.max_in_flight

    @property
    def places(self) -> int | None:
        """Jobs out at once, those included that wait at the vendor; None: any number; 0 stays 0."""
        return self.at_once and self.at_once + self.queues_ahead


class Quota(Selected):
    """So many requests, images, tokens or characters a window: an attempt counts against every one that matches."""

    class Unit(models.TextChoices):
        REQUESTS = "requests", "requests"
        IMAGES = "images", "images"
        TOKENS = "tokens", "tokens"
        CHARACTERS = "characters", "characters"

    unit = models.CharField(max_length=12, choices=Unit, default=Unit.REQUESTS)
    amount = models.PositiveIntegerField(
        validators=[MinValueValidator(1, NOTHING)],
        help_text="How many units in one window. 1 request in a window of 0.5 s keeps calls half a second apart.",
    )
    window_s = models.FloatField(
        "window, s",
        validators=[
            MinValueValidator(SHORTEST_S, "A window is 0.1 seconds or longer. For more calls, raise the amount, too."),
            MaxValueValidator(LONGEST_S, "A window is at most 31 days: 2678400 seconds. For longer spans use a cap."),
        ],
        help_text="Length of the window in seconds: 60 = a minute, 86400 = a day; from 0.1 s to 31 days.",
    )
    strict = models.BooleanField(
        default=False, help_text="One refusal costs dearly here, e.g. locks the account: keep a wider distance."
    )
    learned_amount = models.PositiveIntegerField(null=True, editable=False)  # the vendor said so; obeyed when lower
    learned_at = models.DateTimeField(null=True, editable=False)
    others_units = models.PositiveIntegerField(default=0, editable=False)  # used by others, as the vendor counted
    others_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering: ClassVar = ["provider", "capability", "window_s"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(amount__gt=0, window_s__gt=0), name="quota_grants_something"),
            models.UniqueConstraint(
                fields=["provider", "capability", "unit", "window_s"],
                condition=Q(offer=None),
                name="quota_once_without_offer",
                violation_error_message=TWICE,
            ),
            models.UniqueConstraint(
                fields=["provider", "capability", "offer", "unit", "window_s"],
                condition=~Q(offer=None),
                name="quota_once_with_offer",
                violation_error_message=TWICE,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.unit} in {self.window_s:g} s"

    def covers(self, lane: Lane) -> bool:
        """Calls of this lane may count against it."""
        same = "" in (self.capability, lane.capability) or self.capability == lane.capability
        return same and (None in (self.offer_id, lane.offer_id) or self.offer_id == lane.offer_id)

    def guard_s(self, lanes: Iterable[Lane]) -> float:
        """How much longer than the vendor a use is counted: by the most that the lanes it covers have learned."""
        learned = max((max(lane.guard_s, lane.jitter_s) for lane in lanes if self.covers(lane)), default=0.0)
        return guard_of(self.window_s, learned, strict=self.strict)

    def never_reached(self, other: Quota) -> tuple[Quota, Quota] | None:
        """(the one without effect, the one that is always first), where one of two for the same calls is so."""
        if (self.capability, self.offer_id) != (other.capability, other.offer_id):
            return None
        short, long = sorted((self, other), key=lambda quota: quota.window_s)
        return (short, long) if short.amount > long.amount else None

    @property
    def granted(self) -> int:
        """What is granted: the vendor's own word may lower the amount, never raise it."""
        return self.amount if self.learned_amount is None else max(1, min(self.amount, self.learned_amount))

    @property
    def is_long(self) -> bool:
        return self.window_s > LONG_S


class Usage(models.Model):
    """What the attempts of one hour count for, so that long windows need not add them up one by one.

    Always the sum over the attempts whose `sent_at` lies in the hour, without those that were never sent. Written with
    them, in the same transaction: under the provider's lock when they are claimed, later by differences.
    """

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE)
    capability = models.CharField(max_length=20, choices=CAPABILITIES)
    offer = models.ForeignKey(Offer, on_delete=models.CASCADE, null=True)
    hour = models.DateTimeField()  # its start
    requests = models.BigIntegerField(default=0)
    images = models.BigIntegerField(default=0)
    tokens = models.BigIntegerField(default=0)
    characters = models.BigIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["provider", "hour", "capability"], condition=Q(offer=None), name="usage_once_without_offer"
            ),
            models.UniqueConstraint(
                fields=["provider", "hour", "capability", "offer"],
                condition=~Q(offer=None),
                name="usage_once_with_offer",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["provider", "hour"], name="usage_by_hour")]

    def __str__(self) -> str:
        return f"{self.provider} · {self.capability} · {self.hour:%Y-%m-%d %H} h"


class PriceQuerySet(models.QuerySet["Price"]):
    def valid(self, now: datetime) -> PriceQuerySet:
        return self.filter(valid_from__lte=now).order_by(F("offer").asc(nulls_first=True), "capability", "valid_from")


class Price(Selected):
    """`micro` millionths of the site's currency for `per` units. No price, no call: 0 is a price."""

    unit = models.CharField(max_length=12, default="calls", help_text="calls, images, seconds, characters, tokens …")
    micro = models.BigIntegerField(help_text="Millionths of a dollar for so many units: 40000 = $0.04.")
    per = models.PositiveIntegerField(default=1, help_text="… for this many units.")
    beside = models.JSONField(
        default=dict,
        blank=True,
        help_text='Other units of the same call, for as many: {"output_tokens": 500000}. Empty: nothing else.',
    )
    bulk = models.BooleanField(
        "in bulk",
        default=False,
        db_default=False,
        help_text="Of a call that goes out as a line of a bulk job: back within a day, for less.",
    )
    valid_from = models.DateTimeField(default=timezone.now)

    objects = PriceQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["provider", "capability", "-valid_from"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(micro__gte=0, per__gt=0), name="price_is_sane"),
        ]

    def __str__(self) -> str:
        return f"{self.micro} micro per {self.per} {self.unit}" + (" in bulk" if self.bulk else "")

    def clean(self) -> None:
        super().clean()
        if self.micro is not None and self.micro < 0:
            raise ValidationError({"micro": "A price is 0 or more. What costs nothing has the price 0."})
        if self.per == 0:
            raise ValidationError({"per": "A price is for 1 unit or more."})
        self.beside = {} if self.beside is None else self.beside
        rates = self.beside.values() if isinstance(self.beside, dict) else [None]
        if not all(type(micro) is int and micro >= 0 for micro in rates):
            raise ValidationError({"beside": 'Write units with their micro: {"output_tokens": 500000}.'})


class WebhookEvent(models.Model):
    """A webhook that was verified. Nothing of its body is kept: it is a hint to ask the vendor, and may hold keys."""

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE)
    webhook_id = models.CharField(max_length=200)  # the same whenever it is sent again
    external_id = models.CharField(max_length=200, blank=True, db_index=True)  # the job it is about, …
    tag = models.CharField(max_length=40, blank=True, db_index=True)  # … or the attempt, by its address
    received_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["provider", "webhook_id"], name="webhook_once"),
        ]

    def __str__(self) -> str:
        return f"{self.provider} · {self.webhook_id}"


def price_for(prices: Iterable[Price], capability: str, offer_id: int | None, *, bulk: bool = False) -> Price | None:
    """The price of an offer: the most specific one, the newest of those. None means: no call."""
    fitting = [price for price in prices if price.bulk is bulk and price.matches(capability, offer_id)]
    return max(fitting, key=lambda p: (p.offer_id is not None, bool(p.capability), p.valid_from, p.pk), default=None)
