"""The moment by which a batch is to be finished, as somebody types it."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from django import forms
from django.utils import timezone

PAST = "This moment is past. Name one that is still to come, or none."
FARTHEST = timedelta(days=3652)
TOO_FAR = "This moment is more than ten years away. Name an earlier one, or none."
UNREADABLE = "Name a day and a time, e.g. 2030-12-24 18:00."


class DeadlineForm(forms.Form):
    """`zone` is filled in by the browser; without it, moments are in the time zone of the site."""

    finish_by = forms.DateTimeField(
        required=False,
        label="Finish by",
        help_text="Empty: whenever it is done. A model that is too slow for it gives way to the next, where the "
        "project allows that.",
        error_messages={"invalid": UNREADABLE},
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
    )
    zone = forms.CharField(required=False, widget=forms.HiddenInput(attrs={"data-vb-zone": ""}))

    def full_clean(self) -> None:
        with timezone.override(_zone_of(str(self.data.get("zone", "")))):
            super().full_clean()

    def clean_finish_by(self) -> datetime | None:
        moment: datetime | None = self.cleaned_data["finish_by"]
        if moment is not None and moment <= timezone.now():
            raise forms.ValidationError(PAST)
        if moment is not None and moment > timezone.now() + FARTHEST:  # the last ones of all exist in some zones only
            raise forms.ValidationError(TOO_FAR)
        return moment


def _zone_of(name: str) -> tzinfo:
    """What a browser says need not be a zone that is known here."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return timezone.get_default_timezone()
