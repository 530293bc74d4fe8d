"""Pictures for vendors that fetch them: by a signed address alone, for a day, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings
from django.urls import reverse

from providers import public_files
from providers.exceptions import Rejected
from providers.types import InputFile

pytestmark = [pytest.mark.django_db]


def stored(name: str) -> InputFile:
    path = Path(settings.MEDIA_ROOT, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n")
    return InputFile(path=path, sha256="0" * 64, media_type="image/png", role="image")


@pytest.fixture
def address(settings):
    settings.PUBLIC_URL = "https://video.example.com"
    return public_files.url_for(stored("ab/cd/picture.png"), "Luma").removeprefix(settings.PUBLIC_URL)


def test_the_vendor_gets_it_without_signing_in(client, address):
    answer = client.get(address)
    assert answer.status_code == 200
    assert b"".join(answer.streaming_content).startswith(b"\x89PNG")
    assert answer["Content-Type"] == "image/png"
    assert client.head(address).status_code == 200


@pytest.mark.parametrize("change", [lambda a: a.replace("/files/", "/files/x"), lambda a: a[:-15] + "x/picture.png"])
def test_an_address_that_was_not_given_away_leads_nowhere(client, address, change):
    assert client.get(change(address)).status_code == 404


def test_it_is_over_after_a_day(client, address, monkeypatch):
    monkeypatch.setattr(public_files, "LIFE_S", -1)
    assert client.get(address).status_code == 404


def test_only_pictures_are_given(client, settings):
    settings.PUBLIC_URL = "https://video.example.com"
    url = public_files.url_for(stored("ab/cd/film.mp4"), "Luma").removeprefix(settings.PUBLIC_URL)
    assert client.get(url).status_code == 404


def test_a_site_without_a_public_address_says_what_to_set(settings):
    settings.PUBLIC_URL = ""
    with pytest.raises(Rejected, match="VIDBATCH_PUBLIC_URL"):
        public_files.url_for(stored("ab/cd/picture.png"), "Luma")


def test_the_path_is_no_other_page_s(address):
    assert address.startswith("/files/")
    assert reverse("public_file", args=["t", "n.png"]) == "/files/t/n.png"
