"""The site's settings over throw-away folders and a throw-away database.

A process started by a test with DJANGO_SETTINGS_MODULE=tests.settings and the environment of `child_environment`
(conftest.py) gets the same folders and the same database.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from vidbatch_site import environment

# What is set on this machine, or stands in its .env, is no business of the tests.
environment.load_dotenv = lambda path: None
KIND = os.environ.get("VIDBATCH_TEST_DATABASE", "sqlite")
if KIND not in {"sqlite", "postgres"}:
    raise RuntimeError(f"VIDBATCH_TEST_DATABASE is {KIND!r}; it should be sqlite or postgres.")
if KIND == "postgres" and not os.environ.get("VIDBATCH_DATABASE_URL"):
    raise RuntimeError("There is no PostgreSQL to test with: run `make postgres`, which starts one.")


def _is_ours(name: str) -> bool:
    return name.startswith("VIDBATCH_TEST_") or (KIND == "postgres" and name == "VIDBATCH_DATABASE_URL")


if "VIDBATCH_TEST_ROOT" not in os.environ:  # the first process of the run
    for _name in [name for name in os.environ if name.startswith("VIDBATCH_") and not _is_ours(name)]:
        if _name != "VIDBATCH_TRIALS":
            del os.environ[_name]
    os.environ["VIDBATCH_TEST_ROOT"] = tempfile.mkdtemp(prefix="vidbatch-tests-")

    def _remove(root: str = os.environ["VIDBATCH_TEST_ROOT"], owner: int = os.getpid()) -> None:
        if os.getpid() == owner:  # not in a forked child
            shutil.rmtree(root, ignore_errors=True)

    atexit.register(_remove)

# xdist's workers share the environment of the process that started them, but no folder.
ROOT = Path(os.environ["VIDBATCH_TEST_ROOT"]) / os.environ.get("PYTEST_XDIST_WORKER", "main")
os.environ["VIDBATCH_DATA"] = str(ROOT / "data")
os.environ["VIDBATCH_STATIC"] = str(ROOT / "static")
(ROOT / "static").mkdir(parents=True, exist_ok=True)  # whitenoise warns when there is none

from vidbatch_site.settings import *  # noqa: E402, F403
from vidbatch_site.settings import DATA_DIR, DATABASES, STORAGES  # noqa: E402

SECRET_KEY = "only-for-tests"
ALLOW_LOOPBACK_OUTPUTS = True
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = True
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"

if KIND == "sqlite":
    # A file, not memory: threads and other processes open it too. Without fsync: no test pulls the plug.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
    DATABASES["default"]["OPTIONS"]["init_command"] = (
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA foreign_keys=ON;"
    )
if _name := os.environ.get("VIDBATCH_TEST_DATABASE_NAME"):  # we are a process that a test started
    DATABASES["default"]["NAME"] = _name
