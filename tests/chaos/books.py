"""What must be true of the rows once everything is finished, whatever was killed on the way."""

from __future__ import annotations

from tests.supervisor.installation import Installation

QUESTIONS = {
    "a step that is not over": "select id, state from jobs_step where state not in ('done', 'cancelled')",
    "a step without exactly one asset": (
        "select s.id, count(a.id) from jobs_step s left join jobs_asset a "
        "on a.step_id = s.id and a.kind = s.stage where s.state = 'done' group by s.id having count(a.id) <> 1"
    ),
    "two versions with one number": (
        "select video_id, coalesce(scene_id, 0), kind, round from jobs_asset "
        "group by video_id, coalesce(scene_id, 0), kind, round having count(*) > 1"
    ),
    "a slot without exactly one current version": (
        "select video_id, coalesce(scene_id, 0), kind from jobs_asset "
        "group by video_id, coalesce(scene_id, 0), kind having sum(case when current then 1 else 0 end) <> 1"
    ),
    "a step made twice": (
        "select video_id, coalesce(scene_id, 0), stage from jobs_step where state = 'done' "
        "group by video_id, coalesce(scene_id, 0), stage, round having count(*) > 1"
    ),
    "an attempt that is open": "select id, outcome from jobs_attempt where outcome = 'none' or ended_at is null",
    "a step paid twice": (
        "select a.step_id from jobs_attempt a join jobs_ledgerentry l on l.attempt_id = a.id "
        "where l.spent_micro > 0 group by a.step_id having count(distinct a.id) > 1"
    ),
    "an attempt whose ledger does not close": (
        "select a.id, coalesce(sum(l.reserved_micro), 0), coalesce(sum(l.at_risk_micro), 0), count(l.id) "
        "from jobs_attempt a left join jobs_ledgerentry l on l.attempt_id = a.id group by a.id "
        "having count(l.id) <> 2 or sum(l.reserved_micro) <> 0 or sum(l.at_risk_micro) <> 0"
    ),
    "an attempt whose price is not what was booked": (
        "select a.id, a.cost_micro, sum(l.spent_micro) from jobs_attempt a "
        "join jobs_ledgerentry l on l.attempt_id = a.id group by a.id having a.cost_micro <> sum(l.spent_micro)"
    ),
}


def assert_in_order(installation: Installation) -> None:
    found = {what: rows for what, sql in QUESTIONS.items() if (rows := installation.rows(sql))}
    assert found == {}, installation.account()
    stored = [name for (name,) in installation.rows("select name from jobs_asset")]
    assert [name for name in stored if not (installation.folder / "media" / name).is_file()] == []
