from __future__ import annotations

import json
from dataclasses import replace

import pytest

from jobs.forecast import CannotForecast, PriceFacts, forecast, from_json, seconds_left
from jobs.forecast.money import most_in_an_hour
from jobs.settings_types import STRATEGIES
from jobs.states import Stage
from tests.jobs.forecast.situations import a_market, a_price, a_quota, an_order, with_heroes


@pytest.mark.slow
def test_every_strategy_is_told_of_side_by_side():
    told = forecast(a_market(an_order(videos=20), spread=0.3, caps={Stage.CLIP: 3}))
    assert list(told) == list(STRATEGIES)
    for one in told.values():
        assert one.p10_s < one.p50_s < one.p90_s
        assert one.first_s <= one.p90_s
    assert told["pipelined"].p50_s < told["parallel"].p50_s < told["sequential"].p50_s
    assert told["pipelined"].first_s < told["parallel"].first_s


@pytest.mark.slow
def test_the_same_numbers_give_the_same_forecast():
    plain = a_market(an_order(videos=5), spread=0.3)
    assert forecast(plain) == forecast(plain)
    assert forecast(plain) != forecast(plain, seed=2)


def test_what_nobody_measured_is_guessed_and_said_and_doubted():
    known = forecast(a_market(an_order(videos=9), spread=0.2), ["pipelined"])["pipelined"]
    unknown = forecast(replace(a_market(an_order(videos=9)), measured={}), ["pipelined"])["pipelined"]
    assert known.guessed == ()
    assert unknown.guessed == ("clip", "image", "render", "script", "voiceover")
    assert unknown.p90_s / unknown.p10_s > 1.5 > known.p90_s / known.p10_s


def test_what_its_vendor_is_known_for_goes_before_what_other_offers_took():
    """After trials in the offline studio, whose clips take seconds, a vendor's clips are not foreseen in seconds."""
    plain = a_market(an_order(videos=1))
    measured = {**plain.measured, ("clip", None): plain.measured["clip", 4]}
    del measured["clip", 4]
    others, usual = replace(plain, measured=measured), replace(plain, measured=measured, usual_s={4: (300.0, 500.0)})
    told = [forecast(one, ["pipelined"])["pipelined"] for one in (others, usual)]
    assert told[0].first_s == pytest.approx(10 + 12 + 90 + 8)
    assert 10 + 12 + 300 + 8 <= told[1].first_s <= 10 + 12 + 500 + 8
    assert (told[0].guessed, told[1].guessed) == ((), ("clip",))


@pytest.mark.slow
def test_few_measurements_are_doubted_more_than_many():
    many = a_market(an_order(videos=60), spread=0.5, caps={Stage.CLIP: 2})
    few = replace(
        many,
        measured={key: replace(m, durations=(m.durations[2], m.durations[18])) for key, m in many.measured.items()},
    )
    wide = [forecast(plain, ["pipelined"])["pipelined"] for plain in (many, few)]
    assert wide[1].p90_s - wide[1].p10_s > 1.5 * (wide[0].p90_s - wide[0].p10_s)


@pytest.mark.slow
def test_the_band_holds_what_a_run_with_other_luck_takes():
    plain = a_market(an_order(videos=30), spread=0.4, caps={Stage.CLIP: 4})
    told = forecast(plain, ["pipelined"])["pipelined"]
    again = [forecast(plain, ["pipelined"], seed=1000 * n)["pipelined"].p50_s for n in range(1, 11)]
    assert sum(told.p10_s < end < told.p90_s for end in again) >= 9


# -- money


@pytest.mark.parametrize(("scenes", "heroes"), [(1, 1), (3, 1), (5, 2)])
def test_hero_scenes_cost_what_their_own_offer_costs_and_take_its_time(scenes, heroes):
    order = an_order(videos=3, scenes=scenes, offers={"clip": [4], "clip:hero": [9]})
    prices = (a_price(Stage.CLIP, "calls", 100), PriceFacts(provider_id=9, unit="calls", micro=7000))
    plain = with_heroes(a_market(order, prices=prices), seconds=300.0)
    told = forecast(plain, ["pipelined"])["pipelined"]
    assert told.exact_micro == 3 * (heroes * 7000 + (scenes - heroes) * 100)
    assert told.first_s == pytest.approx(10 + 12 + 300 + 8)


def test_prices_for_a_call_are_exact_and_those_by_the_unit_estimated():
    prices = [
        a_price(Stage.SCRIPT, "calls", 10),
        a_price(Stage.VOICEOVER, "characters", 3_000, per=1000),
        a_price(Stage.IMAGE, "images", 40_000),
        a_price(Stage.CLIP, "seconds", 50_000),
        a_price(Stage.RENDER, "calls", 0),
    ]
    told = forecast(a_market(an_order(videos=3, scenes=2), prices=prices), ["parallel"])["parallel"]
    assert told.exact_micro == 3 * (10 + 2 * 40_000)
    assert told.estimated_micro == 3 * 2 * (4 * 15 * 3 + 4 * 50_000)
    assert told.micro == told.exact_micro + told.estimated_micro


def test_new_tries_are_estimated_even_where_the_price_is_exact():
    measured = {Stage.IMAGE: {"judged": 10, "failed": 5}}
    plain = a_market(an_order(videos=2), prices=[a_price(Stage.IMAGE, "calls", 100)], measured=measured)
    told = forecast(plain, ["pipelined"])["pipelined"]
    assert (told.exact_micro, told.estimated_micro) == (400, 200)
    without = replace(plain, order=an_order(videos=2, auto_retries=0))
    assert forecast(without, ["pipelined"])["pipelined"].estimated_micro == 0


def test_the_peak_is_the_most_within_an_hour():
    assert most_in_an_hour([]) == 0
    assert most_in_an_hour([(0.0, 5), (1800.0, 5), (3600.0, 5), (9000.0, 12)]) == 12
    assert most_in_an_hour([(0.0, 5), (1800.0, 5), (3599.0, 5), (9000.0, 12)]) == 15


# -- what binds, and the picture


@pytest.mark.slow
def test_what_binds_is_named_with_its_limit():
    plain = a_market(an_order(videos=30), caps={Stage.CLIP: 5}, quotas=[a_quota(Stage.IMAGE, 1, 60.0)])
    told = forecast(plain)
    assert told["pipelined"].binding == "Images: 1 request a minute"
    assert told["sequential"].binding == "One step at a time"


@pytest.mark.slow
def test_the_picture_has_few_bars_that_lie_within_the_time():
    plain = a_market(an_order(videos=100, scenes=4), spread=0.3, caps={Stage.CLIP: 5}, check_s=0.2)
    for told in forecast(plain).values():
        assert 0 < len(told.bars) <= 200
        assert {row.name for row in told.rows} == {"Scripts", "Voiceovers", "Images", "Clips", "Renders"}
        assert all(0 <= bar.start_s < bar.end_s and 0 < bar.busy <= 1 for bar in told.bars)
    busiest = max(forecast(plain)["pipelined"].rows, key=lambda row: row.busy)
    assert busiest.name == "Clips"
    assert busiest.most == 5


def test_a_forecast_is_kept_as_json():
    told = forecast(a_market(an_order(videos=3)), ["chunked"])["chunked"]
    assert from_json(json.loads(json.dumps(told.as_json()))) == told


# -- under way, and in vain


def test_the_time_left_is_less_when_more_is_done():
    order = an_order(videos=40)
    plain = a_market(order, caps={Stage.CLIP: 4})
    [whole] = seconds_left(plain)
    done = {"script": 20, "voiceover": 40, "image": 40, "clip": 40, "render": 20}
    [half] = seconds_left(replace(plain, order=replace(order, done=done)))
    assert half == pytest.approx(whole / 2, rel=0.1)


@pytest.mark.slow
def test_several_batches_are_told_of_together():
    one, other, third = an_order(videos=40), an_order(videos=10), an_order(videos=5)
    plain = a_market(one, caps={Stage.CLIP: 4}, others=(other, third))
    ends = seconds_left(plain, watched=2)
    assert ends[1] < ends[0]
    assert ends[1] > 1.8 * seconds_left(a_market(other, caps={Stage.CLIP: 4}))[0]


def test_what_cannot_be_made_is_said():
    plain = a_market()
    with pytest.raises(CannotForecast, match="No enabled provider makes this stage: clip"):
        forecast(replace(plain, offers=plain.offers[:3]))
    with pytest.raises(CannotForecast, match="Clips may have 0 calls at once"):
        forecast(a_market(caps={Stage.CLIP: 0}))
    with pytest.raises(CannotForecast, match="no video"):
        forecast(a_market(an_order(videos=0)))


@pytest.mark.slow
def test_a_thousand_videos_of_six_scenes_are_told_in_few_bars():
    measured = {Stage.CLIP: {"judged": 100, "failed": 4}, Stage.IMAGE: {"judged": 100, "failed": 4}}
    plain = a_market(
        an_order(videos=1000, scenes=6),
        spread=0.3,
        check_s=0.3,
        places=2,
        pickup_s=0.25,
        caps={Stage.SCRIPT: 8, Stage.VOICEOVER: 5, Stage.CLIP: 5, Stage.RENDER: 2},
        quotas=[a_quota(Stage.IMAGE, 60, 60.0, guard_s=0.3)],
        measured=measured,
    )
    assert all(len(one.bars) <= 200 for one in forecast(plain).values())
