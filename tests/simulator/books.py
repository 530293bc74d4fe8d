"""What the vendor knows: every request it saw, every job it took, what it bills. Survives SIGKILL."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

TABLES = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, vendor TEXT NOT NULL, kind TEXT NOT NULL, tag TEXT NOT NULL, key TEXT,
    fingerprint TEXT NOT NULL, request TEXT NOT NULL, accepted_at REAL NOT NULL, starts_at REAL NOT NULL,
    done_at REAL, ending TEXT NOT NULL, fault TEXT NOT NULL, billed_micro INTEGER NOT NULL, cancelled_at REAL,
    units TEXT NOT NULL, throttled INTEGER NOT NULL DEFAULT 0,
    polls INTEGER NOT NULL DEFAULT 0, seen_at REAL, fetches INTEGER NOT NULL DEFAULT 0,
    bulk TEXT NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS bulks (
    id TEXT PRIMARY KEY, vendor TEXT NOT NULL, input_file TEXT NOT NULL, metadata TEXT NOT NULL,
    accepted_at REAL NOT NULL, validated_at REAL NOT NULL, works_until REAL NOT NULL, done_at REAL NOT NULL,
    expires_at REAL NOT NULL, cancelled_at REAL, fault TEXT NOT NULL, problem TEXT NOT NULL, tokens INTEGER NOT NULL,
    polls INTEGER NOT NULL DEFAULT 0, seen_at REAL
);
CREATE TABLE IF NOT EXISTS files (
    id TEXT PRIMARY KEY, vendor TEXT NOT NULL, name TEXT NOT NULL, content BLOB NOT NULL,
    created_at REAL NOT NULL, deleted_at REAL
);
CREATE INDEX IF NOT EXISTS jobs_by_bulk ON jobs (bulk) WHERE bulk != '';
CREATE INDEX IF NOT EXISTS jobs_by_key ON jobs (vendor, key) WHERE key IS NOT NULL;
CREATE INDEX IF NOT EXISTS jobs_by_end ON jobs (vendor, done_at);
CREATE INDEX IF NOT EXISTS jobs_by_tag ON jobs (vendor, tag);
CREATE TABLE IF NOT EXISTS requests (
    id INTEGER PRIMARY KEY, at REAL NOT NULL, vendor TEXT NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL,
    tag TEXT NOT NULL, fingerprint TEXT NOT NULL, verdict TEXT NOT NULL, job TEXT, counts TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS deliveries (
    id INTEGER PRIMARY KEY, vendor TEXT NOT NULL, job TEXT NOT NULL, message TEXT NOT NULL, event TEXT NOT NULL,
    fault TEXT NOT NULL, try INTEGER NOT NULL, after_s REAL NOT NULL, content TEXT, sent_at REAL, answer INTEGER
);
CREATE INDEX IF NOT EXISTS deliveries_by_job ON deliveries (job);
CREATE INDEX IF NOT EXISTS judged_by_time ON requests (vendor, at) WHERE counts != '';
"""
LIVING = "vendor = ? AND bulk = '' AND cancelled_at IS NULL AND (done_at > ? OR done_at IS NULL)"
Row = dict[str, Any]


class Books:
    """Used by one thread. Every write is in the file before it returns."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")  # enough against SIGKILL, which is what tests do
        self._db.executescript(TABLES)
        kinds = ("jobs", "bulks", "files", "requests")  # whatever may have taken a number before a restart
        self._number = sum(int(self.rows(f"SELECT count(*) AS n FROM {kind}")[0]["n"]) for kind in kinds)

    def rows(self, sql: str, *values: Any) -> list[Row]:
        return [dict(row) for row in self._db.execute(sql, values)]

    def fact(self, name: str, default: Any) -> Any:
        found = self.rows("SELECT value FROM facts WHERE name = ?", name)
        return json.loads(found[0]["value"]) if found else default

    def keep_fact(self, name: str, value: Any) -> None:
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, json.dumps(value)))

    def epoch(self) -> float:
        """When virtual time began: at the first start."""
        if self.fact("epoch", None) is None:
            self.keep_fact("epoch", time.time())
        return float(self.fact("epoch", 0.0))

    def saw(
        self,
        request: Row,
        *,
        verdict: str,
        job: Row | None = None,
        made: Iterable[tuple[str, Row]] = (),
        polled: Iterable[tuple[str, float | None]] = (),
        table: str = "jobs",
    ) -> None:
        """A request with its verdict and all it did: took a job, made rows, looked at some (and saw they were over)."""
        made, polled = [("jobs", job), *made] if job else list(made), list(polled)
        row = {"counts": "", **request, "verdict": verdict, "job": job["id"] if job else None}
        if not made and not polled:
            self._insert("requests", row)
            return
        with self._db:
            self._db.execute("BEGIN")
            for name, one in made:
                self._insert(name, one)
            for job_id, seen_at in polled:
                sql = f"UPDATE {table} SET polls = polls + 1, seen_at = ifnull(seen_at, ?) WHERE id = ?"
                self._db.execute(sql, (seen_at, job_id))
            self._insert("requests", row)

    def _insert(self, table: str, row: Row) -> int | None:
        names, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
        return self._db.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", row).lastrowid

    def judged(self, vendor: str, since: float) -> list[Row]:
        """Requests that the limits had to do with, in the order in which they were judged."""
        sql = """SELECT requests.at, requests.verdict, requests.counts, jobs.units, jobs.done_at
                 FROM requests LEFT JOIN jobs ON jobs.id = requests.job
                 WHERE requests.vendor = ? AND counts != '' AND at > ? ORDER BY at, requests.id"""
        return self.rows(sql, vendor, since)

    def ends_of_living(self, vendor: str, now: float) -> list[float]:
        rows = self.rows(f"SELECT ifnull(done_at, 1e18) AS end FROM jobs WHERE {LIVING}", vendor, now)
        return [row["end"] for row in rows]

    def living(self, vendor: str, now: float) -> list[Row]:
        return self.rows(f"SELECT * FROM jobs WHERE {LIVING} ORDER BY accepted_at, rowid", vendor, now)

    def move(self, job_id: str, *, starts_at: float, done_at: float | None) -> None:
        self._db.execute("UPDATE jobs SET starts_at = ?, done_at = ? WHERE id = ?", (starts_at, done_at, job_id))

    def job(self, vendor: str, job_id: str) -> Row | None:
        found = self.rows("SELECT * FROM jobs WHERE vendor = ? AND id = ?", vendor, job_id)
        return found[0] if found else None

    def job_of_key(self, vendor: str, key: str) -> Row | None:
        found = self.rows("SELECT * FROM jobs WHERE vendor = ? AND key = ?", vendor, key)
        return found[0] if found else None

    def next_number(self) -> int:
        self._number += 1
        return self._number

    def fetched(self, job_id: str) -> int:
        """Counts one more fetch of the job's file; how many there were before."""
        self._db.execute("UPDATE jobs SET fetches = fetches + 1 WHERE id = ?", (job_id,))
        return int(self.rows("SELECT fetches FROM jobs WHERE id = ?", job_id)[0]["fetches"]) - 1

    def cancel(self, job_id: str, now: float) -> None:
        self._db.execute("UPDATE jobs SET cancelled_at = ?, billed_micro = 0 WHERE id = ?", (now, job_id))

    def forget(self, vendor: str) -> None:
        """As if the vendor had never been asked anything."""
        with self._db:
            self._db.execute("BEGIN")
            for table in ("jobs", "requests", "deliveries", "bulks", "files"):
                self._db.execute(f"DELETE FROM {table} WHERE vendor = ?", (vendor,))

    # -- webhooks --

    def deliveries(self, vendor: str) -> list[Row]:
        return self.rows("SELECT * FROM deliveries WHERE vendor = ? ORDER BY id", vendor)

    def open_deliveries(self, job_id: str = "") -> list[Row]:
        where, values = ("AND job = ?", (job_id,)) if job_id else ("", ())
        return self.rows(f"SELECT * FROM deliveries WHERE sent_at IS NULL AND fault != 'lost' {where}", *values)

    def delivery(self, delivery_id: int) -> Row | None:
        found = self.rows("SELECT * FROM deliveries WHERE id = ?", delivery_id)
        return found[0] if found else None

    def add_delivery(self, delivery: Row) -> int:
        return self._insert("deliveries", delivery) or 0

    def send_delivery(self, delivery_id: int, now: float) -> None:
        self._db.execute("UPDATE deliveries SET sent_at = ? WHERE id = ?", (now, delivery_id))

    def keep_content(self, delivery: Row, content: str) -> str:
        """Doubles and replays are word for word what was sent first; a new try is not."""
        sql = "UPDATE deliveries SET content = ? WHERE message = ? AND try = ? AND job = ? AND content IS NULL"
        self._db.execute(sql, (content, delivery["message"], delivery["try"], delivery["job"]))
        return str(self.rows("SELECT content FROM deliveries WHERE id = ?", delivery["id"])[0]["content"])

    def delivered(self, delivery_id: int, answer: int) -> None:
        self._db.execute("UPDATE deliveries SET answer = ? WHERE id = ?", (answer, delivery_id))

    # -- bulk jobs --

    def bulk(self, vendor: str, bulk_id: str) -> Row | None:
        found = self.rows("SELECT * FROM bulks WHERE vendor = ? AND id = ?", vendor, bulk_id)
        return found[0] if found else None

    def end_bulk(self, bulk_id: str, at: float) -> None:
        """Cancels it; what is not answered by then is not billed."""
        with self._db:
            self._db.execute("BEGIN")
            self._db.execute("UPDATE bulks SET cancelled_at = ? WHERE id = ?", (at, bulk_id))
            self._db.execute("UPDATE jobs SET billed_micro = 0 WHERE bulk = ? AND done_at > ?", (bulk_id, at))

    def delete_file(self, file_id: str, at: float) -> None:
        self._db.execute("UPDATE files SET deleted_at = ? WHERE id = ?", (at, file_id))
