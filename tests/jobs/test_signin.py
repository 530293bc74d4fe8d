from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.utils import timezone

from jobs.views.signin import ACCOUNT_LIMIT, ADDRESS_LIMIT

PASSWORD = "correct horse battery"
pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.browser.frame_urls")]


@pytest.fixture(autouse=True)
def ana():
    cache.clear()
    yield get_user_model().objects.create_user("ana", password=PASSWORD)
    cache.clear()


def attempt(client, name="ana", password="wrong", **extra):
    return client.post("/login/", {"username": name, "password": password}, **extra)


def test_ten_failures_shut_the_account_even_for_the_right_password(client):
    assert [attempt(client).status_code for _ in range(ACCOUNT_LIMIT)] == [200] * ACCOUNT_LIMIT
    refused = attempt(client, password=PASSWORD)
    assert refused.status_code == 429
    assert "too many failed tries. Wait an hour, then try again." in refused.content.decode()
    assert attempt(client, name=" ANA ").status_code == 429, "neither capitals nor spaces make another account"


def test_an_hour_later_it_is_open_again(client):
    for _ in range(ACCOUNT_LIMIT):
        attempt(client)
    with time_machine.travel(timezone.now() + timedelta(minutes=61)):
        assert attempt(client, password=PASSWORD).status_code == 302


def test_twenty_failures_shut_the_address_whatever_names_were_tried(client):
    for number in range(ADDRESS_LIMIT):
        attempt(client, name=f"stranger{number}")
    assert attempt(client, password=PASSWORD).status_code == 429
    assert attempt(client, password=PASSWORD, REMOTE_ADDR="10.0.0.9").status_code == 302


def test_unknown_and_known_names_get_the_same_answers(client):
    def answers(name):
        answers = [attempt(client, name=name, REMOTE_ADDR=f"10.0.0.{number}") for number in range(ACCOUNT_LIMIT + 1)]
        return [(answer.status_code, list(answer.context["form"].non_field_errors())) for answer in answers]

    assert answers("ana") == answers("nobody")


def test_a_success_clears_the_account_and_is_no_failure_of_the_address(client):
    for _ in range(ADDRESS_LIMIT + 5):
        assert attempt(client, password=PASSWORD).status_code == 302
        client.logout()


def test_an_invented_forwarded_address_changes_nothing(client, settings):
    for number in range(ADDRESS_LIMIT):
        attempt(client, name=f"stranger{number}", HTTP_X_FORWARDED_FOR=f"10.1.1.{number}")
    assert attempt(client, password=PASSWORD, HTTP_X_FORWARDED_FOR="10.9.9.9").status_code == 429


def test_behind_our_proxy_the_entry_it_added_counts(client, settings):
    settings.HTTPS = True
    for number in range(ADDRESS_LIMIT):
        attempt(client, name=f"stranger{number}", HTTP_X_FORWARDED_FOR=f"6.6.6.{number}, 10.0.0.1")
    assert attempt(client, password=PASSWORD, HTTP_X_FORWARDED_FOR="10.0.0.1").status_code == 429
    assert attempt(client, password=PASSWORD, HTTP_X_FORWARDED_FOR="10.0.0.1, 10.0.0.2").status_code == 302
