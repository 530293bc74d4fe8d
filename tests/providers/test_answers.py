"""What vendors say, read with care."""

from __future__ import annotations

from providers.answers import Said


def test_no_text_holds_a_nul_which_postgresql_would_not_keep():
    said = Said("Acme", {"reason": "It \0failed.", "empty": "\0"})
    assert said.text("reason") == "It failed."
    assert said.text("empty", default="") == ""
