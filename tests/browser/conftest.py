"""Chromium for the tests. Whatever a page complains about fails its test: script errors, broken rules of the
content security policy, requests without an answer."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.test import Client
from playwright.sync_api import Browser, Page, Request, sync_playwright

# Playwright keeps an event loop in the thread of the tests; Django's ORM would refuse to work beside it.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PLACES = (
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
REPORT_BROKEN_POLICY = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`content security policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`));
"""


def chromium_path() -> str:
    named = os.environ.get("VIDBATCH_CHROMIUM")
    found = [place for place in ((named,) if named else PLACES) if Path(place).exists() or shutil.which(place)]
    if not found:
        pytest.fail(
            f"No Chromium at {named or ', '.join(PLACES)}. Install one (Debian: apt install chromium; macOS: "
            f"brew install --cask chromium) or set VIDBATCH_CHROMIUM to its path.",
            pytrace=False,
        )
    return found[0]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def problems() -> list[str]:
    """What pages complained about. A test that provokes a complaint takes it out of here."""
    return []


@pytest.fixture
def open_page(browser: Browser, problems: list[str], live_server) -> Iterator[Callable[..., Page]]:
    contexts = []

    def open_one(*, theme: str = "light", width: int = 1440, height: int = 900, zone: str | None = None) -> Page:
        context = browser.new_context(
            base_url=live_server.url,
            viewport={"width": width, "height": height},
            color_scheme=theme,
            reduced_motion="reduce",
            accept_downloads=True,
            timezone_id=zone,
        )
        contexts.append(context)
        context.add_init_script(REPORT_BROKEN_POLICY)
        page = context.new_page()
        _listen(page, problems)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert not problems, "The browser complained:\n" + "\n".join(problems)


@pytest.fixture
def page(open_page: Callable[..., Page]) -> Page:
    return open_page()


def _listen(page: Page, problems: list[str]) -> None:
    page.on("console", lambda said: problems.append(f"console: {said.text}") if said.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(f"script: {error}"))
    page.on("requestfailed", lambda request: _note_failed(request, problems))


def _note_failed(request: Request, problems: list[str]) -> None:
    # Seeking a film, starting a download, leaving a page: each ends a request on purpose.
    if request.failure != "net::ERR_ABORTED":
        problems.append(f"request: {request.url} {request.failure}")


@pytest.fixture
def sign_in(live_server) -> Callable[..., None]:
    """sign_in(page, user): without typing; the way through the form has its own test."""

    def put_cookie(page: Page, user) -> None:
        client = Client()
        client.force_login(user)
        for name, cookie in client.cookies.items():
            page.context.add_cookies([{"name": name, "value": cookie.value, "url": live_server.url}])

    return put_cookie


@pytest.fixture
def assert_accessible() -> Callable[[Page], None]:
    """No violation of WCAG 2.2 A and AA that axe can see, and nothing to scroll sideways for."""

    def check(page: Page) -> None:
        options = {"runOnly": {"type": "tag", "values": WCAG}, "resultTypes": ["violations"]}
        found = Axe().run(page, options=options).response["violations"]
        lines = [f"{rule['id']}: {node['target']} {node['failureSummary']}" for rule in found for node in rule["nodes"]]
        assert not lines, f"{page.url}\n" + "\n".join(lines)
        wide, window = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= window, f"{page.url} is {wide} px wide in a window of {window} px"

    return check
