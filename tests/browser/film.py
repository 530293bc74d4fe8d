from __future__ import annotations

from playwright.sync_api import Locator

# Playwright's wait_for_function evaluates text in the page, which the content security policy forbids.
WAIT = """(film, seconds) => new Promise((done, fail) => {
  const begun = Date.now();
  const look = () => {
    if (CONDITION) done();
    else if (Date.now() - begun > seconds * 1000) fail(new Error(`waited in vain at ${film.currentTime} s`));
    else setTimeout(look, 20);
  };
  look();
})"""


def until(film: Locator, condition: str, *, seconds: float = 10) -> None:
    """Waits until the condition about `film`, a media element, holds."""
    film.evaluate(WAIT.replace("CONDITION", condition), seconds)
