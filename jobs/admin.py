"""Budgets and projects are edited here; attempts, the ledger and decisions are only read.

The admin of django-q2's schedules and queue is taken away: a schedule accepts the name of any function.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db import models
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils import timezone
from django_q.models import Failure, OrmQ, Schedule, Success

from .engine import budgets
from .models import (
    Attempt,
    Batch,
    Budget,
    BulkJob,
    Decision,
    LedgerEntry,
    Membership,
    Notice,
    Project,
    Review,
    RiskPolicy,
    Step,
)

for queue_model in (Schedule, OrmQ, Success, Failure):
    if admin.site.is_registered(queue_model):
        admin.site.unregister(queue_model)


class ReadOnly(admin.ModelAdmin[Any]):
    list_per_page = 50
    show_full_result_count = False  # these tables grow to a million rows

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False


class MembershipInline(admin.TabularInline[Membership, Project]):
    model = Membership
    extra = 1


@admin.register(Project)
class ProjectAdmin(admin.ModelAdmin[Project]):
    list_display = ("name", "aspect_ratio", "short_side", "language", "profile")
    prepopulated_fields: ClassVar[dict[str, Sequence[str]]] = {"slug": ("name",)}
    inlines = (MembershipInline,)


@admin.register(Budget)
class BudgetAdmin(admin.ModelAdmin[Budget]):
    list_display = ("__str__", "scope", "period", "cap_micro", "reserved_micro", "at_risk_micro", "spent_micro")
    list_editable = ("cap_micro",)
    list_filter = ("scope", "period")
    list_select_related = ("project", "batch", "provider")
    fields = ("scope", "project", "batch", "provider", "period", "cap_micro")
    raw_id_fields = ("batch",)

    def get_readonly_fields(self, request: HttpRequest, obj: Budget | None = None) -> tuple[str, ...]:
        return ("scope", "project", "batch", "provider") if obj else ()

    def save_model(self, request: HttpRequest, obj: Budget, form: ModelForm[Budget], change: bool) -> None:
        """Its sums belong to the engine: a page that was open for an hour must not write them back."""
        if not change or "period" in form.changed_data:
            budgets.begin(obj, timezone.now())
        elif form.changed_data:
            obj.save(update_fields=form.changed_data)


@admin.register(RiskPolicy)
class RiskPolicyAdmin(admin.ModelAdmin[RiskPolicy]):
    """One row: how much a lost answer may cost before a person is asked."""

    list_display = ("__str__", "share_percent", "without_cap_micro", "per_call_micro")
    list_editable = ("share_percent", "without_cap_micro", "per_call_micro")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and not RiskPolicy.objects.exists()

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(Batch)
class BatchAdmin(admin.ModelAdmin[Batch]):
    """Only what says how batches share their providers; the rest is on the batch's own page."""

    list_display = ("name", "project", "strategy", "priority", "weight", "created_at", "finished_at")
    list_editable = ("priority", "weight")
    list_filter = ("strategy", "project")
    fields = ("priority", "weight")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False


@admin.register(Step)
class StepAdmin(ReadOnly):
    list_display = ("pk", "stage", "state", "reason", "video", "round", "provider", "not_before", "message")
    list_filter = ("state", "reason", "stage", "provider")
    list_select_related = ("video", "provider")


@admin.register(Attempt)
class AttemptAdmin(ReadOnly):
    list_display = ("tag", "provider", "capability", "outcome", "sent_at", "ended_at", "reserved_micro", "cost_micro")
    list_filter = ("outcome", "provider", "capability")
    list_select_related = ("provider",)
    search_fields = ("tag", "external_id")


@admin.register(BulkJob)
class BulkJobAdmin(ReadOnly):
    list_display = (
        "tag",
        "provider",
        "offer",
        "batch",
        "state",
        "lines",
        "done",
        "word",
        "sent_at",
        "ended_at",
        "message",
    )
    list_filter = ("state", "provider", "capability")
    list_select_related = ("provider", "offer__provider", "batch")
    search_fields = ("tag", "external_id", "input_file")


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ReadOnly):
    list_display = ("pk", "at", "kind", "provider", "batch", "reserved_micro", "at_risk_micro", "spent_micro", "note")
    list_filter = ("kind", "provider")
    list_select_related = ("provider", "batch")


@admin.register(Decision)
class DecisionAdmin(ReadOnly):
    list_display = ("at", "kind", "by", "step", "amount_micro", "note")
    list_select_related = ("by", "step")


@admin.register(Review)
class ReviewAdmin(ReadOnly):
    list_display = ("at", "verdict", "reason", "by", "asset", "note", "undone_at")
    list_select_related = ("by", "asset")


@admin.register(Notice)
class NoticeAdmin(ReadOnly):
    list_display = ("at", "text")
