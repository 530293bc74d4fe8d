"""A process that runs trials may end: its trial is told of, and the others go on."""

from __future__ import annotations

from tests.chaos import runner


class FakeSlot:
    def __init__(self, database: str) -> None:
        self.database = database

    def run(self, order):
        if order["number"] == 1:
            raise runner.SlotEnded("The process that ran it ended with 1.", self.database)
        return {"name": f"{order['seed']}-{order['number']}", "violations": []}

    def close(self) -> None:
        pass


def test_a_process_that_ends_takes_one_trial_with_it(monkeypatch):
    monkeypatch.setattr(runner, "Slot", FakeSlot)
    told = list(runner.run_all([{"seed": "s", "number": number} for number in range(4)], ["sqlite"]))
    assert [(one["name"], bool(one["violations"])) for one in told] == [
        ("s-0", False),
        ("s-1", True),
        ("s-2", False),
        ("s-3", False),
    ]
