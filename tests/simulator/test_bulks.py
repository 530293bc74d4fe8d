"""Bulk jobs as a client meets them: files in, files out, and every way in which they come out wrong."""

import itertools
import json
import time

import pytest
import requests

from tests.simulator.process import simulator

pytestmark = pytest.mark.slow

QUICK = {"bulk_validate_s": [0, 0], "bulk_latency_s": [1, 1], "bulk_finalize_s": 0}  # 17 ms
numbers = itertools.count()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with simulator(tmp_path_factory.mktemp("books") / "books.sqlite", scale=60) as running:
        yield running


@pytest.fixture
def sim(shared):
    shared.vendor = f"bulk{next(numbers)}"
    shared.control(shared.vendor, price_micro=100, **QUICK)
    return shared


def call(sim, method, path, **kwargs):
    return sim.http.request(method, f"{sim.url}/{sim.vendor}/v1/{path}", timeout=20, **kwargs)


def line(no, url="/v1/texts", **body):
    return json.dumps({"custom_id": f"line-{no}", "method": "POST", "url": url, "body": {"prompt": "a lake", **body}})


def upload(sim, *rows):
    content = "\n".join(rows).encode()
    answer = call(sim, "POST", "files", data={"purpose": "bulk"}, files={"file": ("lines.jsonl", content)})
    assert answer.json()["bytes"] == len(content)
    return answer.json()["id"]


def create(sim, *rows, **metadata):
    return call(sim, "POST", "bulks", json={"input_file_id": upload(sim, *rows), "metadata": metadata})


def look(sim, bulk):
    return call(sim, "GET", f"bulks/{bulk}").json()


def ended(sim, bulk, within_s=5.0):
    end = time.monotonic() + within_s
    while (told := look(sim, bulk))["status"] not in ("completed", "failed", "expired", "cancelled"):
        assert time.monotonic() < end, told
        time.sleep(0.01)
    return told


def rows_of(sim, file_id):
    if file_id is None:
        return None
    return [json.loads(row) for row in call(sim, "GET", f"files/{file_id}/content").text.splitlines()]


def answered(sim, told):
    return [row["custom_id"] for row in rows_of(sim, told["output_file_id"]) or []]


def billed(sim):
    return sorted(bill["tag"] for bill in sim.books(sim.vendor)["bills"] if bill["amount_micro"])


# -- the ordinary way ------------------------------------------------------------------------------


def test_every_line_is_answered_once_by_its_id_in_any_order_at_half_the_price(sim):
    told = ended(sim, create(sim, *[line(no) for no in range(20)], tag="ours").json()["id"])
    assert (told["status"], told["error_file_id"], told["metadata"]) == ("completed", None, {"tag": "ours"})
    assert told["request_counts"] == {"total": 20, "completed": 20, "failed": 0}
    ids = answered(sim, told)
    assert sorted(ids) == sorted(f"line-{no}" for no in range(20)) == billed(sim)
    assert ids != [f"line-{no}" for no in range(20)]
    first = rows_of(sim, told["output_file_id"])[0]["response"]["body"]
    assert json.loads(first["output"][0]["text"])["scenes"]
    assert first["units"]["output_tokens"] > 0
    assert sim.books(sim.vendor)["vendors"][sim.vendor]["billed_micro"] == 20 * 50


def test_the_words_of_its_life_come_in_their_order(sim):
    sim.control(sim.vendor, bulk_validate_s=[6, 6], bulk_latency_s=[6, 6], bulk_finalize_s=6)
    bulk, seen = create(sim, line(1)).json()["id"], []
    while not seen or seen[-1] != "completed":
        told = look(sim, bulk)
        seen += [told["status"]] if told["status"] not in seen else []
        assert bool(told["output_file_id"]) == (told["status"] == "completed")
    assert seen == ["validating", "in_progress", "finalizing", "completed"]
    life = sim.summary(sim.vendor)["bulks"][0]
    assert life["seen_at"] >= life["done_at"] > life["accepted_at"]
    assert life["polls"] > 3


def test_the_newest_are_listed_first_in_pages_with_their_metadata(sim):
    sim.control(sim.vendor, page_size=2)
    made = [create(sim, line(no), tag=f"t{no}").json()["id"] for no in range(3)]
    page = call(sim, "GET", "bulks").json()
    rest = call(sim, "GET", f"bulks?after={page['next']}").json()
    found = [*page["bulks"], *rest["bulks"]]
    assert ([bulk["id"] for bulk in found], rest["next"]) == (made[::-1], None)
    assert [bulk["metadata"]["tag"] for bulk in found] == ["t2", "t1", "t0"]
    sim.control(sim.vendor, list_lag_s=9e9)
    assert call(sim, "GET", "bulks").json()["bulks"] == []


def test_files_are_listed_read_and_deleted(sim):
    file_id = upload(sim, line(1))
    assert [row["id"] for row in call(sim, "GET", "files").json()["files"]] == [file_id]
    assert call(sim, "GET", f"files/{file_id}/content").text == line(1)
    assert call(sim, "DELETE", f"files/{file_id}").json()["deleted"]
    assert call(sim, "GET", f"files/{file_id}/content").status_code == 404
    assert call(sim, "POST", "bulks", json={"input_file_id": file_id}).status_code == 400


def test_pictures_come_as_links(sim):
    told = ended(sim, create(sim, line(1, url="/v1/images")).json()["id"])
    url = rows_of(sim, told["output_file_id"])[0]["response"]["body"]["output"][0]["url"]
    assert sim.http.get(url, timeout=10).content[1:4] == b"PNG"


def test_a_bulk_job_counts_as_one_request_whatever_is_in_it(sim):
    sim.control(sim.vendor, limits=[{"requests": 2, "per_s": 6000}])
    codes = [create(sim, *[line(no) for no in range(10)]).status_code for _ in range(3)]
    assert codes == [200, 200, 429]


# -- what goes wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["expires", "expires_silently"])
def test_an_expired_one_has_results_that_are_billed(sim, fault):
    sim.control(sim.vendor, next_bulk=[fault])
    told = ended(sim, create(sim, *[line(no) for no in range(40)]).json()["id"])
    assert told["status"] == "expired"
    ids = answered(sim, told)
    assert 10 < len(ids) < 38
    assert sorted(ids) == billed(sim)
    rest = rows_of(sim, told["error_file_id"])
    if fault == "expires":
        assert {row["error"]["code"] for row in rest} == {"bulk_expired"}
        states = [bill["state"] for bill in sim.books(sim.vendor)["bills"]]
        assert (states.count("succeeded"), states.count("unanswered")) == (len(ids), len(rest))
        assert len(rest) + len(ids) == 40
    else:
        assert (rest, told["request_counts"]["failed"]) == (None, 0)


def test_what_is_not_done_in_its_window_expires(sim):
    sim.control(sim.vendor, bulk_latency_s=[600, 600], bulk_window_s=6)
    told = ended(sim, create(sim, line(1)).json()["id"])
    assert (told["status"], told["output_file_id"]) == ("expired", None)


def test_a_completed_one_may_have_no_output(sim):
    sim.control(sim.vendor, next_bulk=["no_output"])
    told = ended(sim, create(sim, line(1), line(2)).json()["id"])
    assert (told["status"], told["output_file_id"], told["request_counts"]["failed"]) == ("completed", None, 2)
    assert {row["response"]["status_code"] for row in rows_of(sim, told["error_file_id"])} == {400}
    assert billed(sim) == []


@pytest.mark.parametrize(
    ("fault", "wrong"),
    [
        ("lines_missing", lambda ids: len(set(ids)) < 40),
        ("lines_doubled", lambda ids: len(ids) == 50 and len(set(ids)) == 40),
        ("strange_line", lambda ids: len(ids) == 41 and any(name.startswith("nobody") for name in ids)),
    ],
)
def test_lines_are_missing_doubled_or_strange(sim, fault, wrong):
    sim.control(sim.vendor, next_bulk=[fault])
    told = ended(sim, create(sim, *[line(no) for no in range(40)]).json()["id"])
    ids = answered(sim, told)
    assert wrong(ids)
    assert set(billed(sim)) == {name for name in ids if not name.startswith("nobody")}


def test_one_line_is_broken(sim):
    sim.control(sim.vendor, next_bulk=["broken_line"])
    told = ended(sim, create(sim, *[line(no) for no in range(9)]).json()["id"])
    rows = call(sim, "GET", f"files/{told['output_file_id']}/content").text.splitlines()
    whole = 0
    for row in rows:
        try:
            whole += bool(json.loads(row))
        except ValueError:
            continue
    assert (len(rows), whole) == (9, 8)


def test_the_results_may_be_gone_though_they_are_billed(sim):
    sim.control(sim.vendor, next_bulk=["output_gone"])
    told = ended(sim, create(sim, line(1)).json()["id"])
    assert call(sim, "GET", f"files/{told['output_file_id']}/content").status_code == 404
    assert billed(sim) == ["line-1"]


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([line(1), "{no json"], "invalid_json_line"),
        ([line(1), line(1)], "duplicate_custom_id"),
        ([line(1), line(2, url="/v1/images")], "mismatched_url"),
        ([line(1), json.dumps({"custom_id": "x"})], "invalid_json_line"),
        ([], "empty_file"),
        ([line(no) for no in range(4)], "too_many_lines"),
    ],
)
def test_a_file_that_cannot_be_worked_on_fails_validation(sim, rows, code):
    sim.control(sim.vendor, bulk_lines=3)
    told = ended(sim, create(sim, *rows).json()["id"])
    assert (told["status"], told["errors"][0]["code"], told["request_counts"]["total"]) == ("failed", code, 0)
    assert billed(sim) == []


def test_more_tokens_than_may_wait_fail_validation_until_others_are_done(sim):
    sim.control(sim.vendor, enqueued_tokens=1000, bulk_latency_s=[18, 18])
    first, second = (create(sim, line(no), line(no + 1)).json()["id"] for no in (1, 5))
    assert ended(sim, second)["errors"][0]["code"] == "token_limit_exceeded"
    assert ended(sim, first)["status"] == "completed"
    assert ended(sim, create(sim, line(9)).json()["id"])["status"] == "completed"


def test_a_cancelled_one_keeps_and_bills_what_was_done(sim):
    sim.control(sim.vendor, bulk_latency_s=[60, 60], bulk_cancel_s=6)
    bulk = create(sim, *[line(no) for no in range(40)]).json()["id"]
    time.sleep(0.4)
    assert call(sim, "POST", f"bulks/{bulk}/cancel").json()["status"] == "cancelling"
    told = ended(sim, bulk)
    ids = answered(sim, told)
    assert told["status"] == "cancelled"
    assert 5 < len(ids) < 35
    assert sorted(ids) == billed(sim)
    assert {row["error"]["code"] for row in rows_of(sim, told["error_file_id"])} == {"bulk_cancelled"}
    assert call(sim, "POST", f"bulks/{bulk}/cancel").status_code == 409


def test_some_lines_fail_by_themselves_and_are_not_billed(sim):
    sim.control(sim.vendor, line_failures=0.4)
    told = ended(sim, create(sim, *[line(no) for no in range(40)]).json()["id"])
    failed = [row["custom_id"] for row in rows_of(sim, told["error_file_id"])]
    assert 6 < len(failed) < 30
    assert sorted([*failed, *billed(sim)]) == sorted(f"line-{no}" for no in range(40))


def test_the_answer_to_a_create_may_be_lost_and_the_job_is_found_by_its_metadata(sim):
    sim.control(sim.vendor, next=["lose_after_accept", "lose_before_accept"])
    for tag in ("taken", "not taken"):
        with pytest.raises(requests.ConnectionError):
            create(sim, line(1), tag=tag)
    assert [bulk["metadata"]["tag"] for bulk in call(sim, "GET", "bulks").json()["bulks"]] == ["taken"]


@pytest.mark.slow
def test_bulk_jobs_and_files_survive_a_kill(tmp_path):
    with simulator(tmp_path / "books.sqlite", scale=60) as sim:
        sim.vendor = "bulk"
        sim.control("bulk", **{**QUICK, "bulk_latency_s": [30, 30]})
        bulk = create(sim, *[line(no) for no in range(5)]).json()["id"]
        sim.kill()
        sim.start()
        assert len(answered(sim, ended(sim, bulk))) == 5


@pytest.mark.slow
def test_after_a_kill_no_number_is_given_a_second_time(tmp_path):
    """Luck begins anew with every start; and a bulk job that failed its validation has no lines to count."""
    with simulator(tmp_path / "books.sqlite", scale=60) as sim:
        sim.vendor = "bulk"
        first = create(sim).json()["id"]
        sim.kill()
        sim.start()
        assert create(sim, line(1)).json()["id"] != first


@pytest.mark.slow
def test_a_bulk_job_may_have_thousands_of_lines(sim):
    sim.control(sim.vendor, media="tiny")
    told = ended(sim, create(sim, *[line(no) for no in range(3000)]).json()["id"], within_s=20)
    assert len(answered(sim, told)) == 3000
