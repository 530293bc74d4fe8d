"""What leaves for OpenAI and when, and answers that are lost on the way."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from providers import wire
from providers.exceptions import HeldBack, RateLimited, Unauthorised, Unknown
from providers.types import Finished, VendorLimit
from tests.providers.recorded import KEY, playing
from tests.providers.speaking import adapter_for

from .conftest import OpenAI, sent


def test_it_is_announced_once_right_before_the_first_byte(tmp_path, image):
    seen = []
    with playing([{"body": {}}]) as recorder:
        adapter = OpenAI(
            workdir=tmp_path / "work",
            base_url=recorder.url,
            key=KEY,
            session=wire.session(),
            on_wire=lambda: seen.append(len(recorder.asked)),
        )
        with pytest.raises(Unknown):
            adapter.submit(image)
    assert seen == [0]


def test_what_is_held_back_at_the_last_moment_is_not_sent(tmp_path, script):
    def too_late():
        raise HeldBack("The thread came too late to send.")

    with playing([]) as recorder:
        adapter = OpenAI(
            workdir=tmp_path / "work", base_url=recorder.url, key=KEY, session=wire.session(), on_wire=too_late
        )
        with pytest.raises(HeldBack):
            adapter.submit(script)
        assert recorder.asked == []


def test_limits_that_are_told_are_heard_of_good_answers_and_of_refusals(vendor, vendors, script):
    vendor.submit(script)
    units = {limit.unit: limit for limit in vendor.limits}
    assert set(units) == {"requests", "tokens"}
    assert units["requests"].limit == 500
    vendors.control("openai", limits=[{"requests": 1, "per_s": 60_000}])
    with pytest.raises(RateLimited):
        vendor.submit(script)
    assert vendor.limits == (VendorLimit(unit="requests", limit=1, remaining=0, reset_s=vendor.limits[0].reset_s),)


LEAKS = {
    "OPENAI_API_KEY": "sk-other",
    "OPENAI_ADMIN_KEY": "sk-admin",
    "OPENAI_BASE_URL": "http://127.0.0.1:9/elsewhere",
    "OPENAI_ORG_ID": "org-leak",
    "OPENAI_PROJECT_ID": "proj-leak",
    "OPENAI_CUSTOM_HEADERS": "X-Leak: leak\nAuthorization: Bearer leak\nUser-Agent: leak",
    "OPENAI_WEBHOOK_SECRET": "whsec_leak",
    "HTTP_PROXY": "http://127.0.0.1:9",
}


@pytest.mark.parametrize("kind", ["script", "image", "voice", "moderation"])
def test_nothing_of_the_environment_goes_along(request, tmp_path, monkeypatch, kind):
    wanted = request.getfixturevalue(kind)
    before = sent(tmp_path, wanted)
    for name, value in LEAKS.items():
        monkeypatch.setenv(name, value)
    after = sent(tmp_path, wanted)
    told = [{k: v for k, v in asked.headers.items() if k != "Host"} for asked in (before, after)]
    assert told[0] == told[1]
    assert (before.path, before.body) == (after.path, after.body)
    assert after.headers["Authorization"] == f"Bearer {KEY}"
    assert not [name for name in after.headers if name.lower().startswith(("x-stainless", "openai"))]


def test_organisation_and_project_are_named_where_an_admin_names_them(tmp_path, script):
    headers = sent(tmp_path, script, options={"organization": "org-1", "project": "proj-1"}).headers
    assert (headers["OpenAI-Organization"], headers["OpenAI-Project"]) == ("org-1", "proj-1")


def test_without_a_key_none_is_sent(tmp_path, script):
    assert "Authorization" not in sent(tmp_path, script, key="").headers


def test_a_server_of_ones_own_needs_no_key(vendors, tmp_path, script):
    vendors.control("openai", account={"open": True}, media="tiny", latency_s=[1, 1])
    adapter = adapter_for(vendors, "openai", tmp_path, key="", path="/v1")
    answer = adapter.submit(replace(script, offer="llama3.2:3b"))
    assert isinstance(answer, Finished)


def test_a_wrong_key_is_the_account_s_trouble(vendors, tmp_path, script):
    with pytest.raises(Unauthorised):
        adapter_for(vendors, "openai", tmp_path, key="bad", path="/v1").submit(script)


@pytest.mark.parametrize("fault", ["lose_after_accept", "garbage_after", "cut_answer", "no_id", "500_after"])
def test_an_unclear_answer_is_unknown(vendor, vendors, image, fault):
    vendors.control("openai", next=[fault])
    with pytest.raises(Unknown):
        vendor.submit(image)
    assert len(vendors.books("openai")["bills"]) == 1


def test_the_sdk_is_loaded_only_when_something_is_sent():
    code = "import sys; from providers import registry; registry.get('openai'); sys.exit('openai' in sys.modules)"
    root = Path(__file__).resolve().parents[3]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, env=dict(os.environ), check=False).returncode == 0
