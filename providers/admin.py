"""The operator's desk: providers, lanes, quotas and prices, edited in their lists."""

from __future__ import annotations

from typing import ClassVar

from django.contrib import admin
from django.http import HttpRequest

from .models import Lane, Offer, Price, Provider, Quota


class Kept(admin.ModelAdmin[Provider]):
    """Rows that history points at: switched off, never deleted."""

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(Provider)
class ProviderAdmin(Kept):
    list_display = ("label", "slug", "enabled", "paused", "max_in_flight", "paused_until", "pause_reason")
    list_editable = ("enabled", "paused", "max_in_flight")
    fields = ("slug", "label", "enabled", "paused", "pause_reason", "max_in_flight", "options")
    readonly_fields = ("slug",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # a provider comes with its adapter: manage.py sync_providers


@admin.register(Offer)
class OfferAdmin(Kept):
    list_display = ("label", "provider", "capability", "name", "enabled", "retires_on", "successor")
    list_editable = ("enabled", "retires_on", "successor")
    list_filter = ("provider", "capability")
    list_select_related = ("provider", "successor__provider")


@admin.register(Lane)
class LaneAdmin(Kept):
    list_display = ("__str__", "max_in_flight", "paused", "paused_until", "pause_reason", "fastest_s", "slowest_s")
    list_editable = ("max_in_flight", "paused")
    list_filter = ("provider", "capability")
    list_select_related = ("provider", "offer__provider")
    fields = ("provider", "capability", "offer", "max_in_flight", "paused", "pause_reason")


@admin.register(Quota)
class QuotaAdmin(admin.ModelAdmin[Quota]):
    list_display = ("provider", "capability", "offer", "amount", "unit", "window_s", "in_words")
    list_editable = ("amount", "unit", "window_s")
    list_display_links = ("in_words",)
    list_filter = ("provider", "capability")
    list_select_related = ("provider", "offer__provider")
    fields = ("provider", "capability", "offer", "amount", "unit", "window_s")

    @admin.display(description="means")
    def in_words(self, quota: Quota) -> str:
        names: dict[float, str] = {1: "second", 60: "minute", 3600: "hour", 86400: "day"}
        window = names.get(quota.window_s, f"{quota.window_s:g} s")
        return f"at most {quota.amount:,} {quota.unit} in any {window}"


@admin.register(Price)
class PriceAdmin(admin.ModelAdmin[Price]):
    list_display = ("provider", "capability", "offer", "micro", "per", "unit", "valid_from", "in_words")
    list_display_links = ("in_words",)
    list_editable: ClassVar[tuple[str, ...]] = ("micro", "per", "unit")
    list_filter = ("provider", "capability")
    list_select_related = ("provider", "offer__provider")
    fields = ("provider", "capability", "offer", "micro", "per", "unit", "valid_from")

    @admin.display(description="means")
    def in_words(self, price: Price) -> str:
        many = price.unit if price.per == 1 else f"{price.per:,} {price.unit}"
        return f"${price.micro / 10**6:,.4f} for {'each of the ' if price.per == 1 else ''}{many}"
