from __future__ import annotations

import stat
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from vidbatch_site import environment as env
from vidbatch_site.secret_key import load_or_create

NAME = "VIDBATCH_FOR_A_TEST"
NOT_UNDERSTOOD = [
    ("maybe", lambda: env.yes_or_no(NAME, False), "1 or 0"),
    ("eight", lambda: env.whole_number(NAME, 8), "a whole number"),
    ("70000", lambda: env.whole_number(NAME, 8000, least=1, most=65535), "from 1 to 65535"),
    ("loud", lambda: env.one_of(NAME, "INFO", {"INFO", "DEBUG"}), "one of DEBUG, INFO"),
    ("mysql://a/b", lambda: env.database(NAME, {}), "a database URL"),
    ("Nowhere/Else", lambda: env.time_zone(NAME, "UTC"), "Europe/Berlin"),
    ("../etc", lambda: env.time_zone(NAME, "UTC"), "Europe/Berlin"),
    ("Europe", lambda: env.time_zone(NAME, "UTC"), "Europe/Berlin"),
    ("localhost", lambda: env.redis_url(NAME), "redis://"),
    ("example.org", lambda: env.origins(NAME), "https://"),
    (",", lambda: env.names(NAME, []), "a list a,b,c"),
]


@pytest.mark.parametrize(("raw", "read", "expected"), NOT_UNDERSTOOD)
def test_a_value_that_cannot_be_understood_is_named_with_what_it_should_be(monkeypatch, raw, read, expected):
    monkeypatch.setenv(NAME, raw)
    with pytest.raises(ImproperlyConfigured) as error:
        read()
    assert NAME in str(error.value)
    assert repr(raw) in str(error.value)
    assert expected in str(error.value)


@pytest.mark.parametrize("raw", ["", "  "])
def test_an_empty_value_is_the_default(monkeypatch, raw):
    monkeypatch.setenv(NAME, raw)
    assert env.whole_number(NAME, 8) == 8


@pytest.mark.parametrize(("raw", "meant"), [("1", True), ("Yes", True), ("on", True), ("0", False), ("FALSE", False)])
def test_yes_and_no_have_several_words(monkeypatch, raw, meant):
    monkeypatch.setenv(NAME, raw)
    assert env.yes_or_no(NAME, not meant) is meant


def test_the_secret_key_is_made_once_and_for_its_owner_only(tmp_path):
    path = tmp_path / "secret_key"
    script = (
        "import pathlib, sys; from vidbatch_site.secret_key import *; print(load_or_create(pathlib.Path(sys.argv[1])))"
    )
    command = [sys.executable, "-c", script, str(path)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    keys = {process.communicate()[0].strip() for process in processes}
    assert keys == {load_or_create(path)}
    assert len(keys.pop()) > 50
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_password_in_a_url_is_not_repeated(monkeypatch):
    monkeypatch.setenv(NAME, "mysql://ana:secret@host/name")
    with pytest.raises(ImproperlyConfigured) as error:
        env.database(NAME, {})
    assert "secret" not in str(error.value)
    assert "mysql://ana:…@host/name" in str(error.value)
