"""The operator's desk: providers, lanes, quotas and prices, edited in their lists."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db.models import Field, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import path
from django.utils import timezone
from django.utils.html import format_html_join
from django.views.decorators.http import require_POST

from . import credentials, registry, sync, trying
from .models import NOTHING, Lane, Offer, Price, Provider, Quota

SPANS: dict[float, str] = {1: "second", 60: "minute", 3600: "hour", 86400: "day"}
STOPS = "{} is set to 0 calls at once: that stops it. Set 1 or more, or leave it empty for no cap."
UNLIMITED = "Nothing limits {}: it has no quota and no cap. As many calls go out at once as there are threads for them."


class Kept(admin.ModelAdmin[Any]):
    """Rows that history points at: switched off, never deleted."""

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(Provider)
class ProviderAdmin(Kept):
    list_display = (
        "label", "key", "last_success", "enabled", "paused", "max_in_flight", "paused_until", "pause_reason",
    )  # fmt: skip
    list_editable = ("enabled", "paused", "max_in_flight")
    fields = (
        "slug", "label", "notice", "key", "last_success", "last_try", "enabled", "paused", "pause_reason",
        "max_in_flight", "options", "differences",
    )  # fmt: skip
    readonly_fields = ("slug", "notice", "key", "last_success", "last_try", "differences")

    @admin.display(description="key")
    def key(self, provider: Provider) -> str:
        """Set or not, never what it is."""
        adapter = registry.all_adapters().get(provider.slug)
        if adapter is None:
            return "no adapter of this name"
        if adapter.local or not adapter.key_env:
            return "needs none"
        try:
            return f"{adapter.key_env} is {'set' if credentials.key_of(adapter) else 'not set'}"
        except ImproperlyConfigured as error:
            return str(error)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Provider]:
        """With the last call that worked, sought by the index for each: adding all calls up would read them all."""
        calls = Provider.attempt_set.rel.related_model._default_manager.filter(provider=OuterRef("pk"))
        worked = calls.filter(outcome="accepted", ended_at__isnull=False).order_by("-sent_at").values("sent_at")
        providers: QuerySet[Provider] = super().get_queryset(request).annotate(called_at=Subquery(worked[:1]))
        return providers

    @admin.display(description="last success")
    def last_success(self, provider: Provider) -> str:
        """Of a call, or of a try."""
        called: datetime | None = getattr(provider, "called_at", None)
        at = max((moment for moment in (called, provider.worked_at) if moment), default=None)
        return f"{timezone.localtime(at):%d %b %Y %H:%M}" if at else "–"

    @admin.display(description="last try")
    def last_try(self, provider: Provider) -> str:
        at = provider.tried_at
        return f"{timezone.localtime(at):%d %b %Y %H:%M}: {provider.tried_note}" if at else "–"

    def get_urls(self) -> list[Any]:
        account = self.admin_site.admin_view(require_POST(self.account))
        return [path("<int:pk>/account/", account, name="providers_provider_account"), *super().get_urls()]

    def account(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Behind the button "Try the key": a call that costs nothing."""
        provider = get_object_or_404(Provider, pk=pk)
        if not self.has_change_permission(request, provider):
            raise PermissionDenied
        try:
            trial = trying.look_at_account(provider.slug)
            (messages.success if trial.ok else messages.error)(request, f"{provider}: {trial.said}")
        except trying.CannotTry as why:
            messages.warning(request, str(why))
        return redirect("admin:providers_provider_change", pk)

    @admin.display(description="notice")
    def notice(self, provider: Provider) -> str:
        adapter = registry.all_adapters().get(provider.slug)
        return adapter.off_because if adapter and adapter.off_because else "–"

    @admin.display(description="differs from the catalogue")
    def differences(self, provider: Provider) -> str:
        lines = [(str(difference),) for difference in sync.differences(provider)]
        return format_html_join("", "<p>{}</p>", lines) or "–"

    def save_model(self, request: HttpRequest, obj: Provider, form: object, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if obj.max_in_flight == 0:
            messages.warning(request, STOPS.format(obj))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # a provider comes with its adapter: manage.py sync_providers


@admin.register(Offer)
class OfferAdmin(Kept):
    list_display = ("label", "provider", "capability", "name", "tier", "takes", "enabled", "retires_on", "successor")
    list_editable = ("enabled", "retires_on", "successor")
    list_filter = ("provider", "capability")
    list_select_related = ("provider", "successor__provider")


@admin.register(Lane)
class LaneAdmin(Kept):
    list_display = (
        "__str__",
        "max_in_flight",
        "queues_ahead",
        "paused",
        "limited_by",
        "learned",
        "paused_until",
        "pause_reason",
        "fastest_s",
        "slowest_s",
    )
    list_editable = ("max_in_flight", "queues_ahead", "paused")
    list_filter = ("provider", "capability")
    list_select_related = ("provider", "offer__provider")
    fields = ("provider", "capability", "offer", "max_in_flight", "queues_ahead", "jitter_s", "paused", "pause_reason")
    actions = ("forget",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Lane]:
        return super().get_queryset(request).prefetch_related("provider__quota_set")

    @admin.display(description="limited by")
    def limited_by(self, lane: Lane) -> str:
        limits = [str(quota) for quota in lane.provider.quota_set.all() if quota.covers(lane)]
        if lane.max_in_flight == 0:
            return "set to 0 at once, which stops it"
        return ", ".join(limits) or ("no quota" if lane.has_cap else "nothing: no quota and no cap")

    @admin.display(description="learned")
    def learned(self, lane: Lane) -> str:
        """What it has learned of its vendor, in words."""
        words = [
            f"{lane.learned_cap} at once: the vendor said so {_on(lane.learned_cap_at)}" if lane.is_lowered else "",
            f"keeps {lane.guard_s:.3g} s of distance" if lane.guard_s else "",
            "no bursts" if lane.paced else "",
            f"{lane.failures_in_row} failures in a row" if lane.broken_until else "",
        ]
        return ", ".join(word for word in words if word) or "–"

    def save_model(self, request: HttpRequest, obj: Lane, form: object, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if obj.max_in_flight == 0:
            messages.warning(request, STOPS.format(obj))
        elif not obj.has_cap and not any(quota.covers(obj) for quota in Quota.objects.filter(provider=obj.provider)):
            messages.warning(request, UNLIMITED.format(obj))

    @admin.action(description="Forget what was learned: calls at once, distance, even pace, failures")
    def forget(self, request: HttpRequest, lanes: QuerySet[Lane]) -> None:
        lanes.update(
            learned_cap=None,
            learned_cap_at=None,
            guard_s=0.0,
            paced=False,
            paced_times=0,
            failures_in_row=0,
            broken_until=None,
            broken_times=0,
        )
        messages.success(request, "Forgotten. It is learned anew from the next answers on.")


@admin.register(Quota)
class QuotaAdmin(admin.ModelAdmin[Quota]):
    list_display = ("provider", "capability", "offer", "amount", "unit", "window_s", "in_words", "vendor_says")
    list_editable = ("amount", "unit", "window_s")
    list_display_links = ("in_words",)
    list_filter = ("provider", "capability")
    list_select_related = ("provider", "offer__provider")
    fields = ("provider", "capability", "offer", "amount", "unit", "window_s", "strict")
    actions = ("forget",)

    def formfield_for_dbfield(self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "amount":
            kwargs["error_messages"] = {"min_value": NOTHING}
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    @admin.display(description="the vendor says")
    def vendor_says(self, quota: Quota) -> str:
        if quota.learned_amount is None or quota.learned_at is None:
            return "–"
        return f"{quota.learned_amount:,}, {_on(quota.learned_at)}; that is obeyed"

    @admin.action(description="Forget what the vendor said of them")
    def forget(self, request: HttpRequest, quotas: QuerySet[Quota]) -> None:
        quotas.update(learned_amount=None, learned_at=None, others_units=0, others_at=None)
        messages.success(request, "Forgotten. A lower limit that the vendor tells again is obeyed again.")

    def save_model(self, request: HttpRequest, obj: Quota, form: object, change: bool) -> None:
        super().save_model(request, obj, form, change)
        for other in Quota.objects.filter(provider=obj.provider, unit=obj.unit).exclude(pk=obj.pk):
            if idle := obj.never_reached(other):
                messages.warning(request, f"{idle[0]} is never reached: {idle[1]} ends it before.")

    @admin.display(description="means")
    def in_words(self, quota: Quota) -> str:
        window = SPANS.get(quota.window_s, f"{quota.window_s:g} s")
        if quota.amount == 1 and quota.window_s not in SPANS:
            return f"{quota.unit} at least {quota.window_s:g} s apart"
        return f"at most {quota.amount:,} {quota.unit} in any {window}"


@admin.register(Price)
class PriceAdmin(admin.ModelAdmin[Price]):
    list_display = ("provider", "offer", "in_words", "bulk", "micro", "per", "unit", "valid_from")
    list_display_links = ("in_words",)
    list_editable: ClassVar[tuple[str, ...]] = ("micro", "per", "unit")
    list_filter = ("provider", "capability", "bulk")
    list_select_related = ("provider", "offer__provider")
    fields = ("provider", "capability", "offer", "bulk", "micro", "per", "unit", "beside", "valid_from")

    @admin.display(description="means")
    def in_words(self, price: Price) -> str:
        rates = {price.unit: price.micro, **price.beside}
        return ", ".join(_rate(unit, micro, price.per) for unit, micro in rates.items())


def _on(at: datetime | None) -> str:
    return f"on {timezone.localtime(at):%d %b %H:%M}" if at else ""


def _rate(unit: str, micro: int, per: int) -> str:
    """Two digits, or as many as it takes."""
    dollars = f"{micro / 10**6:,.6f}".rstrip("0")
    dollars += "0" * max(0, 2 - len(dollars.partition(".")[2]))
    many = "" if per == 1 else f"{per // 10**6} million " if per % 10**6 == 0 else f"{per:,} "
    return f"${dollars} for {many}{unit.replace('_', ' ')}"
