#!/bin/sh
# Writes both lock files from pyproject.toml. No address of an index is kept in them: hashes say what is meant.
set -eu
cd "$(dirname "$0")/.."
.venv/bin/python -m pip install --quiet --disable-pip-version-check uv
resolve() { # resolve LOCK [OPTION...]
    lock=$1; shift
    .venv/bin/python -m uv pip compile pyproject.toml "$@" --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --no-header --quiet -o "$lock" >/dev/null
}
resolve requirements.lock
resolve requirements-dev.lock --extra dev
