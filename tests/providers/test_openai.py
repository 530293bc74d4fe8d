"""OpenAI, against the simulator and beside its own client."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import openai
import pytest
from PIL import Image
from pydantic import BaseModel

from providers import base, catalogue, pricing, registry, wire
from providers.adapters.openai import bulk, images, text
from providers.exceptions import HeldBack, NotSent, OutOfCredit, RateLimited, Rejected, Unauthorised, Unknown
from providers.types import BulkState, Capability, Failed, Finished, InputFile, Request, VendorLimit
from qc.measure.moderation import read_moderation
from qc.measure.script import read_script
from tests.providers import schemas
from tests.providers.recorded import KEY, adapter_at, playing
from tests.providers.speaking import adapter_for

OpenAI = registry.get("openai")


@pytest.fixture
def vendor(vendors, tmp_path):
    vendors.control("openai", media="tiny", latency_s=[1, 1])
    return adapter_for(vendors, "openai", tmp_path, path="/v1")


@pytest.fixture
def script():
    extra = {"scenes": 4, "seconds": 30, "notes": "calm and clear", "aspect_ratio": "9:16"}
    return Request(
        capability=Capability.SCRIPT, offer="gpt-6-luna", prompt="Tidal power", language="de", tag="t1", extra=extra
    )


@pytest.fixture
def image():
    return Request(
        capability=Capability.IMAGE, offer="gpt-image-2", prompt="a lake at dawn", width=1536, height=1024, tag="i1"
    )


@pytest.fixture
def voice():
    return Request(
        capability=Capability.VOICEOVER, offer="gpt-4o-mini-tts", prompt="Twice a day the sea rises.", voice="marin"
    )


@pytest.fixture
def moderation():
    return Request(capability=Capability.MODERATION, offer="omni-moderation-latest", prompt="a quiet harbour")


def a_file(folder, name="picture.png", role="reference"):
    path = folder / name
    Image.new("RGB", (64, 36), "teal").save(path)
    return InputFile(path=path, sha256="0" * 64, media_type=f"image/{path.suffix[1:]}", role=role)


def own(request, **parameters):
    return replace(request, extra={**request.extra, "vendor": parameters})


def sent(tmp_path, request, answer=None, **attributes):
    """What an adapter sends."""
    with playing([answer or {"body": {}}]) as recorder:
        adapter = adapter_at(OpenAI, recorder.url, tmp_path)
        for name, value in attributes.items():
            setattr(adapter, name, value)
        with pytest.raises(Unknown):
            adapter.submit(request)
    return recorder.asked[0]


def price_of(request):
    return catalogue.of("openai").offer(request.capability, request.offer).price


# -- scripts ---------------------------------------------------------------------------------------


def test_a_script_is_as_scripts_are_read_here(vendor, vendors, script):
    vendors.control("openai", media="real")
    answer = vendor.submit(script)
    facts = read_script(answer.outputs[0].content.decode())
    assert facts.error == ""
    assert (len(facts.scenes), round(facts.seconds)) == (4, 30)


def test_the_order_says_all_that_is_known_of_the_film(tmp_path, script):
    body = sent(tmp_path, script).json()
    order = body["messages"][1]["content"]
    for words in ("Tidal power", "German (de)", "exactly 4", "30 seconds", "9:16", "calm and clear"):
        assert words in order


def test_another_language_is_named_by_its_code(tmp_path, script):
    order = sent(tmp_path, replace(script, language="sw")).json()["messages"][1]["content"]
    assert "Language: sw" in order


def test_the_form_of_the_answer_is_strict(tmp_path, script):
    form = sent(tmp_path, script).json()["response_format"]["json_schema"]
    assert form["strict"] is True
    assert form["schema"]["required"] == ["title", "hook", "description", "hashtags", "scenes"]


@pytest.mark.parametrize(
    ("model", "there", "not_there"),
    [
        ("gpt-6-luna", {"max_completion_tokens", "reasoning_effort"}, {"max_tokens", "temperature", "seed"}),
        ("gpt-4.1", {"max_completion_tokens"}, {"max_tokens", "reasoning_effort", "temperature", "seed"}),
        ("llama3.2:3b", {"max_tokens", "seed"}, {"max_completion_tokens", "reasoning_effort"}),
        ("gpt-oss:20b", {"max_tokens", "seed"}, {"max_completion_tokens", "reasoning_effort"}),
    ],
)
def test_a_model_is_told_only_what_it_knows(tmp_path, script, model, there, not_there):
    body = sent(tmp_path, replace(script, offer=model)).json()
    assert there <= set(body)
    assert not not_there & set(body)


def test_the_offer_s_own_parameters_come_last_and_null_takes_ours_away(tmp_path, script):
    request = own(script, response_format={"type": "json_object"}, max_completion_tokens=900, reasoning_effort=None)
    body = sent(tmp_path, request).json()
    assert body["response_format"] == {"type": "json_object"}
    assert body["max_completion_tokens"] == 900
    assert "reasoning_effort" not in body
    assert OpenAI.output_tokens_of(request) == 900


@pytest.mark.parametrize(
    ("ending", "moderated"), [("refusal", True), ("content_filter", True), ("length", False), ("no_json", False)]
)
def test_what_is_billed_and_no_use_has_failed_with_its_price(vendor, vendors, script, ending, moderated):
    vendors.control("openai", account={"answer": ending})
    answer = vendor.submit(script)
    assert isinstance(answer, Failed)
    assert (answer.moderated, answer.billed) == (moderated, True)
    (bill,) = vendors.books("openai")["bills"]
    assert pricing.cost(price_of(script), answer.units) == bill["amount_micro"] > 0


def test_a_script_that_is_too_long_for_its_budget_is_cut(vendor, script):
    answer = vendor.submit(own(script, max_completion_tokens=50))
    assert isinstance(answer, Failed)
    assert "50 tokens" in answer.reason


def test_a_prompt_that_is_declined_is_a_matter_of_content(vendor, vendors, script):
    vendors.control("openai", next=["moderated"])
    with pytest.raises(Rejected) as caught:
        vendor.submit(script)
    assert caught.value.moderated


# -- pictures --------------------------------------------------------------------------------------


def test_several_takes_come_in_one_answer(vendor, vendors, image):
    answer = vendor.submit(replace(image, takes=3))
    assert len({output.content for output in answer.outputs}) == 3
    (bill,) = vendors.books("openai")["bills"]
    assert answer.units["images"] == 3
    assert pricing.cost(price_of(image), answer.units) == bill["amount_micro"]


@pytest.mark.parametrize(
    ("model", "width", "height", "size"),
    [
        ("gpt-image-2", 1280, 720, "1280x720"),
        ("gpt-image-2", 1920, 1080, "2048x1152"),
        ("gpt-image-2.5-flare", 1080, 1920, "1152x2048"),
        ("gpt-image-2.5-sunburst", 1080, 1080, "1088x1088"),
        ("gpt-image-1.5", 1920, 1080, "1536x1024"),
        ("gpt-image-1-mini", 1080, 1920, "1024x1536"),
    ],
)
def test_the_nearest_legal_size_is_asked_for(tmp_path, image, model, width, height, size):
    body = sent(tmp_path, replace(image, offer=model, width=width, height=height)).json()
    assert body["size"] == size


def test_every_size_keeps_to_the_rules():
    for width, height in images.SIZES:
        assert width % 16 == height % 16 == 0
        assert max(width, height) <= 3840
        assert max(width, height) <= 3 * min(width, height)


@pytest.mark.parametrize("count", [1, 3])
def test_pictures_to_go_by_are_sent_along(vendor, image, tmp_path, count):
    files = tuple(a_file(tmp_path, f"like.{end}") for end in ("png", "jpeg", "webp")[:count])
    answer = vendor.submit(replace(image, inputs=files, takes=2))
    assert len(answer.outputs) == 2
    assert answer.units["image_tokens"] == 1000 * count


def test_one_picture_to_go_by_has_the_plain_name_and_several_a_list_s(tmp_path, image):
    one = sent(tmp_path, replace(image, inputs=(a_file(tmp_path),)))
    assert one.path == "/images/edits"
    assert b'name="image"; filename="reference-1.png"' in one.body
    two = sent(tmp_path, replace(image, inputs=(a_file(tmp_path), a_file(tmp_path))))
    assert two.body.count(b'name="image[]"; filename="reference-') == 2


def test_more_pictures_than_can_be_sent_are_refused_here(vendor, vendors, image, tmp_path):
    with pytest.raises(Rejected, match="at most 16"):
        vendor.submit(replace(image, inputs=(a_file(tmp_path),) * 17))
    assert vendors.books("openai")["bills"] == []


def test_an_end_of_the_money_is_a_400_beside_pictures(vendor, vendors, image, script):
    vendors.control("openai", account={"budget": "spent"})
    with pytest.raises(OutOfCredit) as caught:
        vendor.submit(image)
    assert caught.value.http_status == 400
    with pytest.raises(OutOfCredit) as caught:
        vendor.submit(script)
    assert caught.value.http_status == 429


def test_a_retired_model_says_so(vendor, script, image):
    with pytest.raises(Rejected, match="retired"):
        vendor.submit(replace(script, offer="gpt-4"))
    with pytest.raises(Rejected, match="retired"):
        vendor.submit(replace(image, offer="dall-e-3"))


def test_pictures_are_limited_by_the_minute(vendor, vendors, image):
    vendors.control("openai", limits=[{"images": 5, "per_s": 60_000}])
    vendor.submit(replace(image, takes=5))
    with pytest.raises(RateLimited) as caught:
        vendor.submit(image)
    assert caught.value.retry_after_s >= 1


# -- voices ----------------------------------------------------------------------------------------


def test_a_voice_comes_with_its_price(vendor, vendors, voice):
    answer = vendor.submit(voice)
    (bill,) = vendors.books("openai")["bills"]
    assert answer.outputs[0].content.startswith(b"ID3")
    assert pricing.cost(price_of(voice), answer.units) == bill["amount_micro"] > 0


def test_an_older_voice_is_paid_by_the_letter(vendor, vendors, voice):
    request = replace(voice, offer="tts-1", voice="alloy")
    answer = vendor.submit(request)
    (bill,) = vendors.books("openai")["bills"]
    assert answer.units == {"characters": len(voice.prompt)}
    assert pricing.cost(price_of(request), answer.units) == bill["amount_micro"] == 15 * len(voice.prompt)


def test_a_text_that_is_too_long_is_not_sent(vendor, vendors, voice):
    with pytest.raises(Rejected, match="4,096 characters"):
        vendor.submit(replace(voice, prompt="x" * 4097))
    assert vendors.books("openai")["bills"] == []


def test_a_server_without_events_gives_bare_sound(tmp_path, voice):
    sound = {"base64": base64.b64encode(b"RIFF\0\0\0\0WAVEfmt ").decode()}
    request = own(voice, stream_format=None, response_format="wav")
    with playing([sound]) as recorder:
        answer = adapter_at(OpenAI, recorder.url, tmp_path).submit(request)
    assert "stream_format" not in recorder.asked[0].json()
    assert answer.outputs[0].media_type == "audio/wav"
    assert answer.units == {"characters": len(voice.prompt)}


@pytest.mark.parametrize(
    "line",
    [
        "data: nonsense",
        "data: 7",
        "data: []",
        'data: {"type": 7}',
        'data: {"type": ["speech.audio.delta"]}',
        'data: {"type": "speech.audio.delta"}',
        'data: {"type": "speech.audio.delta", "audio": "%"}',
        'data: {"type": "speech.audio.delta", "audio": {}}',
        'data: {"type": "speech.audio.done", "usage": 7}',
        'data: {"type": "speech.audio.done", "usage": {"output_tokens": "many"}}',
        'data: {"type": "speech.audio.done", "usage": {"output_tokens": -1}}',
        "data: " + "[" * 100_000,
    ],
)
def test_events_that_make_no_sense_are_unknown(tmp_path, voice, line):
    with playing([{"text": line + "\n\n"}]) as recorder, pytest.raises(Unknown):
        adapter_at(OpenAI, recorder.url, tmp_path).submit(voice)


def test_a_voice_in_events_is_bounded_too(tmp_path, voice, monkeypatch):
    monkeypatch.setattr(base, "MOST_BYTES", 100_000)
    with playing([{"text": "data: " + "x" * 300_000}]) as recorder, pytest.raises(Unknown):
        adapter_at(OpenAI, recorder.url, tmp_path).submit(voice)


def test_a_voice_that_drips_is_cut_off_in_time(vendor, vendors, voice, monkeypatch):
    monkeypatch.setattr(OpenAI, "deadline_s", {Capability.VOICEOVER: 0.3})
    vendors.control("openai", next=["slow_answer"], drip_s=6000)
    began = time.monotonic()
    with pytest.raises(Unknown):
        vendor.submit(voice)
    assert time.monotonic() - began < 3


# -- moderation ------------------------------------------------------------------------------------


def test_a_harmless_text_is_clear_and_a_bad_one_flagged(vendor, vendors, moderation):
    clear = read_moderation(vendor.submit(moderation).outputs[0].content.decode())
    assert (clear.flagged, len(clear.categories)) == (False, 13)
    bad = read_moderation(vendor.submit(replace(moderation, prompt="something forbidden")).outputs[0].content.decode())
    assert bad.flagged
    assert bad.categories[0] == ("violence", 0.97)
    assert {bill["amount_micro"] for bill in vendors.books("openai")["bills"]} == {0}


def test_of_a_picture_only_what_was_looked_at_is_told(vendor, vendors, moderation, tmp_path):
    vendors.control("openai", account={"answer": "flagged"})
    request = replace(moderation, prompt="", inputs=(a_file(tmp_path, role="image"),))
    told = json.loads(vendor.submit(request).outputs[0].content)
    assert told["flagged"] is True
    assert "hate" not in told["categories"]
    assert "hate" in told["not_looked_at"]
    assert len(told["categories"]) == 6


def test_one_picture_at_a_time_is_judged(vendor, moderation, tmp_path):
    picture = a_file(tmp_path, role="image")
    with pytest.raises(Rejected, match="one picture at a time"):
        vendor.submit(replace(moderation, inputs=(picture, picture)))
    with pytest.raises(Rejected, match="neither"):
        vendor.submit(replace(moderation, prompt=" "))


# -- counting --------------------------------------------------------------------------------------


def test_no_call_costs_more_than_was_set_aside(vendor, vendors, script, image, voice, tmp_path):
    for request in (script, replace(image, takes=4, inputs=(a_file(tmp_path),)), voice):
        answer, most = vendor.submit(request), OpenAI.most_units(request)
        assert all(most[unit] >= count for unit, count in answer.units.items()), request.capability
        bill = vendors.books("openai")["bills"][-1]
        assert pricing.cost(price_of(request), answer.units) == bill["amount_micro"]


def test_what_counts_against_the_window_is_what_was_reserved_for_writing(script):
    units = {"input_tokens": 100, "cached_tokens": 300, "output_tokens": 50}
    assert OpenAI.counted_tokens(script, units, 9999) == 400 + text.most_output_tokens(script)
    assert OpenAI.counted_tokens(script, {}, 9999) == 9999


def test_longer_films_get_more_room(script):
    longer = replace(script, extra={**script.extra, "scenes": 12, "seconds": 180})
    assert text.most_output_tokens(longer) > text.most_output_tokens(script) > 1000


def test_every_offer_has_a_price_and_every_dying_model_a_date():
    sold = catalogue.of("openai")
    assert all(sold.offer(spec.capability, spec.name).price for spec in OpenAI.offers)
    for name in ("dall-e-2", "dall-e-3", "gpt-image-1", "gpt-image-1.5", "gpt-image-1-mini"):
        entry = sold.offer("image", name)
        assert entry.retires_on
        assert entry.successor
    for name in ("gpt-3.5-turbo", "gpt-4", "gpt-4-turbo", "gpt-4o", "gpt-4o-mini", "gpt-5", "o3"):
        entry = sold.offer("script", name)
        assert entry.retires_on
        assert entry.successor
    assert all(sold.offer("voiceover", name).retires_on.year == 2027 for name in ("tts-1", "gpt-4o-mini-tts"))


# -- on the wire -----------------------------------------------------------------------------------


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
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, env=dict(os.environ), check=False).returncode == 0


# -- bulk ------------------------------------------------------------------------------------------


def several(request, count=4):
    return {f"tag-{number}": replace(request, tag=f"tag-{number}", seed=number) for number in range(count)}


def handed_in(vendor, requests, tag="bulk-1"):
    file_id = bulk.upload(vendor, bulk.written(list(requests.values())), tag)
    capability = next(iter(requests.values())).capability
    return bulk.create(vendor, file_id, capability, tag)


@pytest.fixture
def quick(vendor, vendors):
    vendors.control("openai", bulk_validate_s=[0, 0], bulk_latency_s=[1, 1], bulk_finalize_s=0)
    return vendor


def over(vendor, job):
    until = datetime.now(UTC) + timedelta(seconds=10)
    while job.state is BulkState.RUNNING and datetime.now(UTC) < until:
        time.sleep(0.01)
        job = bulk.look(vendor, job.external_id)
    return job


def test_a_bulk_job_answers_every_line_at_half_the_price(quick, vendors, script):
    requests = several(script)
    job = over(quick, handed_in(quick, requests))
    assert (job.word, job.lines, job.done) == ("completed", 4, 4)
    outcomes = dict(bulk.read(quick, job, requests))
    assert all(isinstance(outcome, Finished) for outcome in outcomes.values())
    bills = vendors.bills("openai")
    for tag, outcome in outcomes.items():
        assert bills[tag][0]["amount_micro"] == -(-pricing.cost(price_of(script), outcome.units) // 2)


@pytest.mark.parametrize("kind", ["image", "moderation"])
def test_pictures_and_moderation_are_sold_in_bulk_too(request, quick, kind):
    requests = several(replace(request.getfixturevalue(kind), takes=2 if kind == "image" else 1))
    outcomes = dict(bulk.read(quick, over(quick, handed_in(quick, requests)), requests))
    assert [type(outcome) for outcome in outcomes.values()] == [Finished] * 4
    assert {len(outcome.outputs) for outcome in outcomes.values()} == {2 if kind == "image" else 1}


def test_a_completed_job_may_have_failed_in_every_line(quick, vendors, image):
    vendors.control("openai", next_bulk=["no_output"])
    requests = several(image)
    job = over(quick, handed_in(quick, requests))
    assert job.word == "completed"
    assert len(job.files) == 1
    outcomes = dict(bulk.read(quick, job, requests))
    assert all(isinstance(outcome, Rejected) and outcome.moderated for outcome in outcomes.values())
    assert set(outcomes) == set(requests)


def test_lines_that_failed_over_there_may_be_sent_again(quick, vendors, script, moderation):
    vendors.control("openai", next_bulk=["no_output", "no_output"])
    requests = several(script)
    outcomes = dict(bulk.read(quick, over(quick, handed_in(quick, requests)), requests))
    assert all(isinstance(outcome, Failed) and not outcome.billed for outcome in outcomes.values())
    requests = several(moderation)
    outcomes = dict(bulk.read(quick, over(quick, handed_in(quick, requests)), requests))
    assert all(isinstance(outcome, RateLimited) for outcome in outcomes.values())


def test_an_empty_name_of_the_error_file_is_none(quick, vendors, script):
    vendors.control("openai", account={"empty_error_file": True})
    job = over(quick, handed_in(quick, several(script)))
    assert len(job.files) == 1


def test_what_expired_was_not_worked_on(quick, vendors, script):
    vendors.control("openai", next_bulk=["expires"], bulk_latency_s=[100, 100])
    requests = several(script, 40)
    job = over(quick, handed_in(quick, requests))
    assert job.word == "expired"
    outcomes = dict(bulk.read(quick, job, requests))
    kinds = {type(outcome) for outcome in outcomes.values()}
    assert kinds == {Finished, NotSent}
    bills = vendors.bills("openai")
    assert all(bool(bills[tag][0]["amount_micro"]) is isinstance(o, Finished) for tag, o in outcomes.items())


@pytest.mark.parametrize("fault", ["lines_missing", "broken_line", "expires_silently"])
def test_a_line_that_nobody_speaks_of_is_unknown(quick, vendors, script, fault):
    vendors.control("openai", next_bulk=[fault], bulk_latency_s=[100, 100])
    requests = several(script, 40)
    outcomes = dict(bulk.read(quick, over(quick, handed_in(quick, requests)), requests))
    assert set(outcomes) == set(requests)
    assert {type(outcome) for outcome in outcomes.values()} == {Finished, Unknown}


@pytest.mark.parametrize("fault", ["lines_doubled", "strange_line"])
def test_lines_too_many_change_nothing(quick, vendors, script, fault):
    vendors.control("openai", next_bulk=[fault])
    requests = several(script, 8)
    told = list(bulk.read(quick, over(quick, handed_in(quick, requests)), requests))
    assert sorted(tag for tag, _ in told) == sorted(requests)


def test_a_file_that_is_gone_says_so(quick, vendors, script):
    vendors.control("openai", next_bulk=["output_gone"])
    requests = several(script)
    with pytest.raises(Rejected):
        dict(bulk.read(quick, over(quick, handed_in(quick, requests)), requests))


def test_a_file_that_cannot_be_used_names_the_line(quick, script):
    content = bulk.written(list(several(script).values())).splitlines(keepends=True)
    content[2] = b'{"custom_id": \n'
    job = over(quick, bulk.create(quick, bulk.upload(quick, b"".join(content), "b"), Capability.SCRIPT, "b"))
    assert job.state is BulkState.FAILED
    assert "line 3" in job.problem
    requests = several(script)
    outcomes = dict(bulk.read(quick, job, requests))
    assert all(isinstance(outcome, NotSent) for outcome in outcomes.values())


def test_too_much_waiting_at_once_fails_the_job_after_it_was_taken(quick, vendors, script):
    vendors.control("openai", next_bulk=["token_limit"])
    assert over(quick, handed_in(quick, several(script))).state is BulkState.FAILED


def test_a_lost_answer_is_found_by_its_tag(quick, vendors, script):
    since = datetime.now(UTC) - timedelta(minutes=5)
    requests = several(script)
    vendors.control("openai", next=["lose_after_accept"])
    with pytest.raises(Unknown):
        handed_in(quick, requests, "the-lost-one")
    for number in range(3):
        handed_in(quick, requests, f"another-{number}")
    found = bulk.find(quick, "the-lost-one", since)
    assert found.tag == "the-lost-one"
    assert bulk.find(quick, "never-sent", since) is None


def test_the_listing_is_looked_through_page_by_page(quick, monkeypatch, script):
    monkeypatch.setattr(bulk, "PAGE", 2)
    requests = several(script, 1)
    first = handed_in(quick, requests, "the-first")
    for number in range(4):
        handed_in(quick, requests, f"another-{number}")
    since = datetime.now(UTC) - timedelta(minutes=5)
    assert bulk.find(quick, "the-first", since).external_id == first.external_id


def test_a_cancelled_job_gives_what_it_has(vendor, vendors, script):
    vendors.control("openai", bulk_validate_s=[0, 0], bulk_latency_s=[5000, 5000], bulk_cancel_s=60)
    requests = several(script)
    job = handed_in(vendor, requests)
    assert bulk.cancel(vendor, job.external_id).word in ("cancelling", "cancelled")
    job = over(vendor, job)
    assert job.word == "cancelled"
    outcomes = dict(bulk.read(vendor, job, requests))
    assert {type(outcome) for outcome in outcomes.values()} <= {Finished, NotSent}


def test_what_cannot_be_sent_in_bulk_is_refused_here(script, image, voice, tmp_path):
    for requests, words in (
        ([], "at least one"),
        ([script, image], "one model"),
        ([replace(voice, tag="v")], "no voiceover"),
        ([replace(image, inputs=(a_file(tmp_path),))], "reference"),
        ([script, script], "tags"),
    ):
        with pytest.raises(Rejected, match=words):
            bulk.written(requests)


def test_a_word_that_is_new_is_still_running(tmp_path):
    body = {"id": "batch_1", "object": "batch", "status": "percolating", "created_at": 1795000000}
    with playing([{"body": body}]) as recorder:
        job = bulk.look(adapter_at(OpenAI, recorder.url, tmp_path), "batch_1")
    assert (job.state, job.unknown_status) == (BulkState.RUNNING, "percolating")


LINES = {
    "refused": ({"status_code": 400, "body": {"error": {"code": "moderation_blocked"}}}, None, Rejected),
    "too fast": ({"status_code": 429, "body": {"error": {"code": "rate_limit_exceeded"}}}, None, RateLimited),
    "no money": ({"status_code": 429, "body": {"error": {"type": "insufficient_quota"}}}, None, OutOfCredit),
    "failed": ({"status_code": 503, "body": {"error": {"code": "server_is_overloaded"}}}, None, Failed),
    "expired": (None, {"code": "batch_expired", "message": "expired"}, NotSent),
    "empty": ({"status_code": 200, "body": None}, None, Unknown),
    "nothing": (None, None, NotSent),
}


@pytest.mark.parametrize("name", LINES)
def test_a_line_means_what_stands_in_it(tmp_path, script, name):
    response, error, kind = LINES[name]
    adapter = adapter_at(OpenAI, "http://127.0.0.1:9", tmp_path)
    line = adapter.said(json.dumps({"custom_id": "t", "response": response, "error": error}).encode())
    assert type(bulk.outcome(adapter, line, script)) is kind


def test_a_file_of_lines_is_read_in_pieces():
    assert list(bulk._split("OpenAI", [b"ab", b"c\nde", b"f\n", b"\ngh"])) == [b"abc", b"def", b"", b"gh"]


# -- the vendor's own client -----------------------------------------------------------------------


@pytest.fixture
def client(vendors):
    vendors.control("openai", media="tiny", latency_s=[1, 1])
    url = f"{vendors.url}/openai/v1"
    with openai.OpenAI(api_key="a-key", base_url=url, max_retries=0) as client:
        yield client


class Trip(BaseModel):
    title: str
    stops: list[str]
    days: int


def test_its_own_client_reads_scripts_by_a_schema_of_its_own(client):
    told = client.chat.completions.parse(
        model="gpt-6-luna", messages=[{"role": "user", "content": "A trip to the sea"}], response_format=Trip
    )
    assert isinstance(told.choices[0].message.parsed, Trip)
    assert told.usage.completion_tokens == 400


def test_its_own_client_raises_when_an_answer_was_cut(client):
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(
            model="gpt-6-luna",
            messages=[{"role": "user", "content": "A trip"}],
            response_format=Trip,
            max_completion_tokens=10,
        )


def test_its_own_client_reads_pictures_voices_and_judgements(client):
    pictures = client.images.generate(model="gpt-image-2", prompt="a lake", n=2, size="1280x720")
    assert len(pictures.data) == 2
    assert base64.b64decode(pictures.data[0].b64_json).startswith(b"\x89PNG")
    edited = client.images.edit(
        model="gpt-image-2", prompt="at night", image=("a.png", base64.b64decode(pictures.data[0].b64_json))
    )
    assert edited.usage.input_tokens_details.image_tokens == 1000
    assert client.audio.speech.create(model="tts-1", voice="alloy", input="Hello.").content.startswith(b"ID3")
    judged = client.moderations.create(input=["a lake", "forbidden"])
    assert [result.flagged for result in judged.results] == [False, True]
    assert judged.results[0].category_scores.self_harm_intent == 0.0003


def test_its_own_client_takes_a_batch_through(client, vendors, script):
    vendors.control("openai", bulk_validate_s=[0, 0], bulk_latency_s=[1, 1], bulk_finalize_s=0)
    given = client.files.create(file=("in.jsonl", bulk.written([script])), purpose="batch")
    made = client.batches.create(
        input_file_id=given.id, endpoint="/v1/chat/completions", completion_window="24h", metadata={"vidbatch": "x"}
    )
    until = datetime.now(UTC) + timedelta(seconds=10)
    while made.status != "completed" and datetime.now(UTC) < until:
        made = client.batches.retrieve(made.id)
    assert made.request_counts.completed == 1
    (line,) = client.files.content(made.output_file_id).text.splitlines()
    assert json.loads(line)["custom_id"] == "t1"
    assert [one.id for one in client.batches.list()] == [made.id]


def test_its_own_client_raises_its_own_errors(client, vendors):
    hello = {"model": "gpt-6-luna", "messages": [{"role": "user", "content": "x"}]}
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="bad").chat.completions.create(**hello)
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(**{**hello, "model": "gpt-4"})
    assert caught.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(**hello, temperature=0.2)
    assert refused.value.code == "unsupported_value"
    with pytest.raises(openai.BadRequestError):
        client.images.generate(model="gpt-image-2", prompt="x", response_format="b64_json")
    with pytest.raises(openai.BadRequestError):
        client.images.generate(model="gpt-image-2", prompt="x", size="1920x1080")
    vendors.control("openai", next=["429", "500_before"])
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(**hello)
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(**hello)
    assert client.models.retrieve("tts-1").model_dump()["shutdown_date"] == "2027-01-06"


def test_its_answers_are_as_the_vendor_documents_them(vendor, quick, script, image, moderation):
    def trouble(method, path, body):
        return schemas.answer_trouble("openai", method, path, 200, body)

    chat = vendor.call("POST", "/chat/completions", json=text.body(script))
    assert trouble("POST", "/chat/completions", chat) == []
    made = vendor.call("POST", "/images/generations", json=images.body(image))
    assert trouble("POST", "/images/generations", made) == []
    judged = vendor.call("POST", "/moderations", json={"input": "a lake"})
    assert trouble("POST", "/moderations", judged) == []
    job = handed_in(quick, several(script, 1))
    told = over(quick, job) and vendor.call("GET", f"/batches/{job.external_id}")
    told = {name: value for name, value in told.items() if value is not None}  # the document knows no null here
    assert trouble("GET", "/batches/batch_1", told) == []
    assert trouble("GET", "/batches", {**vendor.call("GET", "/batches"), "data": [told]}) == []
    assert trouble("GET", "/models", vendor.call("GET", "/models")) == []
