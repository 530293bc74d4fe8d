"""Every change of a step, an attempt or the ledger, written down by the database itself: nobody can forget to."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import connection

from jobs.models import Attempt, Budget, LedgerEntry, Step
from jobs.states import MOVES, OWNED, State

Outcome = Attempt.Outcome
TABLE = "chaos_history"
COLUMNS = ("what", "row", "old", "new", "old_fence", "new_fence", "old_owner", "new_owner", "pid")
# What may become of an outcome: a final one stays, but a job that was accepted can still end badly or be given up.
OUTCOMES = {
    Outcome.NONE: set(Outcome) - {Outcome.NONE},
    Outcome.UNKNOWN: set(Outcome) - {Outcome.NONE, Outcome.UNKNOWN},
    Outcome.ACCEPTED: {Outcome.GIVEN_UP, Outcome.UNKNOWN},  # unknown: what came of it cannot be booked (set_aside)
    Outcome.ADOPTED: {Outcome.GIVEN_UP, Outcome.ACCEPTED, Outcome.UNKNOWN},
}
WATCHED = {  # name -> (table, the columns that are watched, the values that are kept)
    "step": (
        "jobs_step",
        ("state", "fence", "owner"),
        "OLD.state, NEW.state, OLD.fence, NEW.fence, OLD.owner, NEW.owner, "
        "(SELECT pid FROM jobs_worker WHERE uuid = NEW.owner)",  # who it is now: another may get its name
    ),
    "attempt": ("jobs_attempt", ("outcome",), "OLD.outcome, NEW.outcome, 0, 0, NULL, NULL, NULL"),
    "ledger": (
        "jobs_ledgerentry",
        ("reserved_micro", "at_risk_micro", "spent_micro"),
        "'', 'changed', 0, 0, NULL, NULL, NULL",
    ),
    "cap": (
        "jobs_budget",
        ("cap_micro",),
        "OLD.cap_micro, NEW.cap_micro, coalesce((SELECT max(id) FROM jobs_ledgerentry), 0), 0, NULL, NULL, NULL",
    ),
}


def install() -> None:
    postgres = connection.vendor == "postgresql"
    kind = "bigserial" if postgres else "integer"
    uuid = "uuid" if postgres else "char(32)"
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE {TABLE} (id {kind} PRIMARY KEY, what text, row bigint, old text, new text, "
            f"old_fence bigint, new_fence bigint, old_owner {uuid}, new_owner {uuid}, pid bigint)"
        )
        for name, (table, watched, kept) in WATCHED.items():
            differs = " OR ".join(f"OLD.{c} IS {'DISTINCT FROM' if postgres else 'NOT'} NEW.{c}" for c in watched)
            insert = f"INSERT INTO {TABLE} ({', '.join(COLUMNS)}) VALUES ('{name}', NEW.id, {kept});"
            if postgres:
                cursor.execute(
                    f"CREATE FUNCTION chaos_{name}() RETURNS trigger LANGUAGE plpgsql AS "
                    f"$$ BEGIN {insert} RETURN NULL; END $$"
                )
                cursor.execute(
                    f"CREATE TRIGGER chaos_{name} AFTER UPDATE ON {table} FOR EACH ROW WHEN ({differs}) "
                    f"EXECUTE FUNCTION chaos_{name}()"
                )
            else:
                cursor.execute(f"CREATE TRIGGER chaos_{name} AFTER UPDATE ON {table} WHEN {differs} BEGIN {insert} END")


def is_sound() -> Iterator[str]:
    """I7 and I19, and that outcomes and entries are final."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(COLUMNS)} FROM {TABLE} ORDER BY id")
        rows = cursor.fetchall()
    for what, row, old, new, old_fence, new_fence, old_owner, new_owner, _ in rows:
        if what == "cap":
            continue
        if what == "ledger":
            yield f"I9 ledger entry {row} was changed"
        elif what == "attempt":
            if new not in OUTCOMES.get(Outcome(old), ()):
                yield f"I19 attempt {row} went from {old} to {new}"
        else:
            if new_fence < old_fence:
                yield f"I7 step {row}: its fence went from {old_fence} to {new_fence}"
            if old != new and State(new) not in MOVES[State(old)]:
                yield f"I19 step {row} went from {old} to {new}"
            if new in OWNED and new_owner and new_owner != old_owner and new_fence <= old_fence:
                yield f"I7 step {row} got a new owner without a new fence"


def held_by_the_dead(died: dict[int, float], recoveries: list[float]) -> Iterator[tuple[int, str]]:
    """I2: what a process held is taken up by whoever looks for it after its death. Steps, and what is said of them.

    `died`: the moments at which processes were found dead. `recoveries`: when those began that have ended since.
    One is not enough: a server may still be writing what a client sent it before it died.
    """
    held = set(Step.objects.filter(state__in=OWNED).exclude(owner=None).values_list("pk", "fence"))
    if not held:
        return
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT row, new_fence, pid FROM {TABLE} WHERE pid IS NOT NULL ORDER BY id DESC")
        taken_by = {(row, fence): pid for row, fence, pid in cursor.fetchall()}  # the first stands
    for step, fence in held:
        pid = taken_by.get((step, fence))
        since = sum(began > died[pid] for began in recoveries) if pid in died else 0
        if since > 1:
            yield step, f"I2 step {step} is held by process {pid}, and {since} recoveries began since its death"


def caps_were_kept() -> Iterator[str]:
    """I11, with the cap that was valid when an entry was made."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT row, old, old_fence FROM {TABLE} WHERE what = 'cap' ORDER BY id")
        rows = cursor.fetchall()
    entries = list(LedgerEntry.objects.order_by("pk"))
    for budget in Budget.objects.filter(scope=Budget.Scope.BATCH):
        earlier = [(last, int(cap)) for row, cap, last in rows if row == budget.pk]  # that cap, up to that entry
        taken = 0
        for entry in entries:
            if entry.batch_id != budget.batch_id:
                continue
            taken += entry.reserved_micro + entry.at_risk_micro + entry.spent_micro
            cap = next((cap for last, cap in earlier if entry.pk <= last), budget.cap_micro)
            if entry.kind == LedgerEntry.Kind.RESERVE and entry.reserved_micro and taken > cap:
                yield f"I11 {budget}: entry {entry.pk} was admitted at {taken} above the cap of {cap}"
