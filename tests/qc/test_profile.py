from __future__ import annotations

from dataclasses import fields

import pytest
from django.core.exceptions import ValidationError

from qc.admin import GROUPS, ProfileAdmin
from qc.models import LIMIT_NAMES, Profile
from qc.types import Limits

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("default_profile")]


def default() -> Profile:
    return Profile.objects.get(name="default")


def test_a_new_site_has_the_default_profile_with_the_limits_of_the_code():
    assert default().version == 1
    assert default().limits() == Limits()


@pytest.mark.parametrize("name", LIMIT_NAMES)
def test_every_limit_is_a_column_with_its_default_and_its_unit_in_words(name):
    column = Profile._meta.get_field(name)
    limit = next(each for each in fields(Limits) if each.name == name)
    assert column.default == limit.default
    assert column.help_text.endswith(".") and str(column.verbose_name) != name.replace("_", " ")


@pytest.mark.parametrize("name", LIMIT_NAMES)
def test_every_limit_stands_in_the_form(name):
    assert [name in group[1]["fields"] for group in ProfileAdmin.fieldsets].count(True) == 1
    assert name.startswith(tuple(GROUPS.values()))


@pytest.mark.parametrize("name", LIMIT_NAMES)
def test_a_changed_limit_reaches_the_checks_and_raises_the_version(name):
    profile = default()
    value = getattr(profile, name)
    setattr(profile, name, "vp8" if isinstance(value, str) else value + 1)
    profile.save()
    assert default().version == 2
    assert default().limits() != Limits() and getattr(default().limits(), name) == getattr(profile, name)


def test_saving_without_a_change_or_under_another_name_keeps_the_version():
    profile = default()
    profile.save()
    profile.name = "ordinary"
    profile.save()
    assert Profile.objects.get(name="ordinary").version == 1


def test_two_who_save_at_the_same_time_make_two_versions():
    first, second = default(), default()
    first.image_min_contrast = 9
    first.save()
    second.voiceover_max_silence_s = 9
    second.save()
    assert second.version == 3


def test_saving_single_fields_raises_the_version_too():
    profile = default()
    profile.image_min_contrast = 9
    profile.save(update_fields=["image_min_contrast"])
    assert default().version == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [("image_min_size_share", 1.5), ("voiceover_max_silence_s", -1), ("render_loudness_lufs", 3), ("clip_codecs", "")],
)
def test_an_impossible_limit_is_refused(name, value):
    profile = default()
    setattr(profile, name, value)
    with pytest.raises(ValidationError) as refused:
        profile.full_clean()
    assert list(refused.value.message_dict) == [name]
