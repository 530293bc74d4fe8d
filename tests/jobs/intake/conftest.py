from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from jobs.models import Membership, Project
from providers.models import Offer, Provider
from qc.models import Profile


@pytest.fixture
def producer(db):
    return User.objects.create_user("paula", password="x")


@pytest.fixture
def project(producer):
    project = Project.objects.create(name="Bakery", slug="bakery", profile=Profile.objects.create(name="Usual"))
    Membership.objects.create(project=project, user=producer)
    return project


@pytest.fixture(autouse=True)
def voices(request):
    """For tests with a database: a provider that speaks English and German."""
    if "project" not in request.fixturenames:
        return
    request.getfixturevalue("db")
    provider, _ = Provider.objects.get_or_create(slug="studio", defaults={"label": "Speaker"})
    voices = [["en", "Ada", "Ada (English)"], ["de", "Eva", "Eva (Deutsch)"]]
    Offer.objects.create(provider=provider, capability="voiceover", name="say", label="Say", voices=voices)
