"""What deploy/ and docs/deploying.md promise is what the code does."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
UNITS = sorted((ROOT / "deploy").glob("*.service"))
PAGE = (ROOT / "docs" / "deploying.md").read_text()


def unit(path: Path) -> configparser.SectionProxy:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str
    parser.read(path)
    return parser["Service"]


def check_deploy(tmp_path: Path, **change: str) -> subprocess.CompletedProcess[str]:
    ours = ("VIDBATCH_", "DJANGO_")  # the browser's tests set DJANGO_ALLOW_ASYNC_UNSAFE for all of the run
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    production = {
        "DJANGO_SETTINGS_MODULE": "vidbatch_site.settings",
        "VIDBATCH_DATA": str(tmp_path / "data"),
        "VIDBATCH_STATIC": str(tmp_path / "static"),
        "VIDBATCH_HTTPS": "1",
        "VIDBATCH_HOSTS": "videos.example.org",
        "VIDBATCH_ORIGINS": "https://videos.example.org",
        "VIDBATCH_SECRET_KEY": "pGkWx7Tq2mZs9vRb4nLd8cHf3jYa6eUo1iPtXwQz5KgMNhBVSr",
        "VIDBATCH_DATABASE_URL": "postgres://vidbatch:secret@127.0.0.1:5432/vidbatch",
        "VIDBATCH_REDIS_URL": "redis://127.0.0.1:6379/0",
    }
    return subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        env={**kept, **production, **change},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_production_settings_pass_djangos_deployment_check(tmp_path):
    checked = check_deploy(tmp_path)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_deployment_check_sees_a_site_without_https(tmp_path):
    checked = check_deploy(tmp_path, VIDBATCH_HTTPS="0")
    assert checked.returncode != 0
    assert "SECURE_SSL_REDIRECT" in checked.stderr


def test_there_is_a_unit_for_every_part():
    starts = {re.search(r"start --only (\S+)$", unit(path)["ExecStart"])[1] for path in UNITS}
    assert starts == {"web", *settings.ROLES}


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_asks_the_supervisor_alone_to_end_and_runs_without_privileges(path):
    service = unit(path)
    assert service["KillMode"] == "mixed"
    assert service["User"] != "root"
    assert (service["NoNewPrivileges"], service["ProtectSystem"]) == ("yes", "strict")


def test_generation_gets_the_time_that_a_paid_call_may_take():
    stop_s = int(unit(ROOT / "deploy" / "vidbatch-generation.service")["TimeoutStopSec"])
    assert stop_s >= settings.LONGEST_CALL_S + 30


def test_every_variable_of_the_page_is_in_the_example():
    example = (ROOT / ".env.example").read_text()
    named = set(re.findall(r"VIDBATCH_[A-Z_]+", PAGE))
    assert {name for name in named if f"{name}=" not in example} == set()


def test_the_proxy_sets_what_the_site_believes():
    proxy = (ROOT / "deploy" / "nginx.conf").read_text()
    assert "proxy_set_header X-Forwarded-Proto $scheme;" in proxy
    assert re.search(r"proxy_set_header X-Forwarded-For \$(remote_addr|proxy_add_x_forwarded_for);", proxy)
    assert "proxy_set_header Host $host;" in proxy
