"""Profiles are edited in their list or one by one; what was found about files is only read."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest

from .models import LIMIT_NAMES, CheckResult, Inspection, Profile

GROUPS = {
    "Pictures": "image_",
    "Clips": "clip_",
    "Voiceovers": "voiceover_",
    "Finished videos": "render_",
    "Scripts": "script_",
    "Moderation": "moderation_",
}

IN_THE_LIST = (  # what is changed most; the others stand in the form, with their help
    "image_min_contrast",
    "image_max_aspect_error",
    "clip_max_duration_error_s",
    "clip_max_size_mb",
    "voiceover_max_silence_s",
    "voiceover_min_bitrate_kbps",
    "render_loudness_lufs",
    "render_max_loudness_error_lu",
)


@admin.register(Profile)
class ProfileAdmin(admin.ModelAdmin[Profile]):
    list_display = ("name", "version", *IN_THE_LIST)
    list_editable = IN_THE_LIST
    readonly_fields = ("version",)
    fieldsets: ClassVar[Any] = [
        (None, {"fields": ["name", "version"]}),
        *(
            (title, {"fields": [name for name in LIMIT_NAMES if name.startswith(start)]})
            for title, start in GROUPS.items()
        ),
    ]


class CheckResultInline(admin.TabularInline[CheckResult, Inspection]):
    model = CheckResult
    fields = readonly_fields = ("name", "status", "measured", "threshold", "sentence")
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Inspection)
class InspectionAdmin(admin.ModelAdmin[Inspection]):
    list_display = ("created_at", "kind", "file_hash", "passed", "profile_name", "profile_version")
    list_filter = ("kind", "passed", "profile_name")
    search_fields = ("file_hash",)
    inlines = (CheckResultInline,)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Inspection | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Inspection | None = None) -> bool:
        return False
