from __future__ import annotations

import pytest
from django.urls import reverse

from qc.admin import IN_THE_LIST
from qc.inspection import record
from qc.models import LIMIT_NAMES, Profile
from qc.types import Examined, Result, Status

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("default_profile")]


def test_the_list_of_profiles_shows_units_and_is_edited_in_place(admin_client):
    profile, url = Profile.objects.get(name="default"), reverse("admin:qc_profile_changelist")
    page = admin_client.get(url).content.decode()
    assert "longest silence, s" in page.lower() and "loudness, lufs" in page.lower()
    cells = {f"form-0-{name}": getattr(profile, name) for name in IN_THE_LIST}
    forms = {"form-TOTAL_FORMS": 1, "form-INITIAL_FORMS": 1, "form-0-id": profile.pk, "_save": "Save"}
    admin_client.post(url, {**forms, **cells, "form-0-voiceover_max_silence_s": "1.5"})
    profile.refresh_from_db()
    assert (profile.voiceover_max_silence_s, profile.version) == (1.5, 2)


def test_the_form_of_a_profile_explains_every_limit(admin_client):
    page = admin_client.get(reverse("admin:qc_profile_change", args=[Profile.objects.get().pk])).content.decode()
    assert all(f'name="{name}"' in page for name in LIMIT_NAMES)
    assert "Seconds without a sound above -45 dBFS." in page


def test_what_was_found_is_shown_and_cannot_be_changed(admin_client):
    result = Result(name="image.decodes", status=Status.FAILED, measured="a", threshold="b", sentence="It is broken.")
    one = Examined(file_hash="a", kind="image", facts={}, results=(result,), passed=False, expectations_hash="b")
    row = record(one, profile_name="default", profile_version=1)
    page = admin_client.get(reverse("admin:qc_inspection_change", args=[row.pk])).content.decode()
    assert "It is broken." in page and 'name="_save"' not in page
    assert admin_client.get(reverse("admin:qc_inspection_changelist")).status_code == 200
    assert admin_client.post(reverse("admin:qc_inspection_delete", args=[row.pk])).status_code == 403
