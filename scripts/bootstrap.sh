#!/bin/sh
# Makes this checkout ready to run, to work on (`unit`: all but a browser), or to test in full (`test`).
# Says what it does, never asks for a password, and does nothing at all the second time.
set -eu
cd "$(dirname "$0")/.."
purpose=${1:-run}
case $purpose in
    run) lock=requirements.lock ;;
    unit | test) lock=requirements-dev.lock ;;
    *) echo "Usage: scripts/bootstrap.sh run|unit|test" >&2; exit 2 ;;
esac

say() { printf 'vidbatch: %s\n' "$*" >&2; }
stop() { say "$@"; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }
need() { packages="$packages $*"; }

# -- Python: the newest of 3.11 to 3.13, one that can make a virtual environment if there is one ------

is_supported() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }
makes_venvs() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

choose_python() {
    first=
    for candidate in python3.13 python3.12 python3.11 python3; do
        has "$candidate" && is_supported "$candidate" || continue
        if makes_venvs "$candidate"; then echo "$candidate"; return; fi
        first=${first:-$candidate}
    done
    echo "$first"
}

venv_works() { [ -x .venv/bin/python ] && is_supported .venv/bin/python && .venv/bin/python -m pip --version >/dev/null 2>&1; }

if venv_works; then python=.venv/bin/python; else python=$(choose_python); fi
if [ -z "$python" ]; then
    found=$(python3 --version 2>/dev/null || echo "no Python")
    offered=3.13
    for minor in 3.11 3.12 3.13; do
        if has apt-cache && apt-cache show "python$minor" >/dev/null 2>&1; then offered=$minor; fi
    done
    stop "Python 3.11, 3.12 or 3.13 is needed, and this machine has $found. Install one of them, then try again" \
        "(Debian, Ubuntu: sudo apt-get install python$offered python$offered-venv; macOS: brew install python@3.13)."
fi
python_minor=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')

# -- what the system must have -------------------------------------------------------------------------

has_program_in() { # has_program_in NAME FOLDER...: on PATH or in one of the folders
    program=$1; shift
    has "$program" && return 0
    for folder in "$@"; do [ -x "$folder/$program" ] && return 0; done
    return 1
}
has_font() {
    for folder in /usr/share/fonts /usr/local/share/fonts "${HOME:-/nonexistent}/.fonts" "${HOME:-/nonexistent}/.local/share/fonts"; do
        [ -d "$folder" ] && [ -n "$(find "$folder" -name 'DejaVuSans.ttf' 2>/dev/null | head -n 1)" ] && return 0
    done
    return 1
}
burns_captions() { ffmpeg -hide_banner -h filter=subtitles 2>/dev/null | grep -q '^Filter subtitles'; }
has_chromium() { # one that runs: Ubuntu's /usr/bin/chromium-browser may only say that a snap is wanted
    for name in chromium google-chrome google-chrome-stable chromium-browser; do
        has "$name" && "$name" --version >/dev/null 2>&1 && return 0
    done
    [ -d "/Applications/Google Chrome.app" ]
}
is_ubuntu() { [ -r /etc/os-release ] && grep -Eq '^ID(_LIKE)?=.*ubuntu' /etc/os-release; }

missing_on_debian() {
    has ffmpeg && has ffprobe || need ffmpeg
    has espeak-ng || need espeak-ng
    has fc-match || need fontconfig
    has_font || need fonts-dejavu-core
    makes_venvs "$python" || need "python$python_minor-venv"
    [ "$purpose" != run ] || return 0
    has_program_in initdb /usr/lib/postgresql/*/bin || need postgresql
    has redis-server || need redis-server
    [ "$purpose" = unit ] || is_ubuntu || has_chromium || need chromium # Ubuntu's package is a snap, which containers cannot run
}

missing_on_macos() {
    has ffprobe && burns_captions || need ffmpeg-full # the small "ffmpeg" formula has no libass
    has espeak-ng || need espeak-ng
    [ "$purpose" != run ] || return 0
    has_program_in initdb /opt/homebrew/opt/postgresql*/bin /usr/local/opt/postgresql*/bin || need postgresql@17
    has redis-server || need redis
}

install_on_debian() {
    if [ "$(id -u)" = 0 ]; then
        as_root=
    elif has sudo && sudo -n true 2>/dev/null; then
        as_root="sudo -n"
    else
        say "these packages are missing:$packages. Nothing was changed. Copy this line, then try again:"
        echo "sudo apt-get update && sudo apt-get install -y --no-install-recommends$packages"
        exit 1
    fi
    say "installing$packages"
    log=$(mktemp)
    # shellcheck disable=SC2086  # $as_root and $packages are lists of words
    if ! { $as_root apt-get update -q &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $packages; } \
        >"$log" 2>&1 </dev/null; then
        tail -n 25 "$log" >&2
        stop "apt-get could not install$packages; its last lines are above, all of them in $log."
    fi
    rm -f "$log"
}

install_on_macos() {
    if ! has brew; then
        say "these are missing:$packages. Nothing was changed. With Homebrew (https://brew.sh), copy this line, then try again:"
        echo "brew install$packages"
        exit 1
    fi
    say "installing$packages"
    # shellcheck disable=SC2086
    brew install --quiet $packages </dev/null || stop "brew could not install$packages; its reason is above."
}

packages=
case $(uname -s) in
    Darwin)
        missing_on_macos
        [ -z "$packages" ] || install_on_macos
        ;;
    *)
        missing_on_debian
        if [ -n "$packages" ]; then
            has apt-get || stop "these are missing:$packages (Debian's names). Install them with this system's package manager, then try again."
            install_on_debian
        fi
        ;;
esac

# -- .venv, as the lock file says ----------------------------------------------------------------------

if ! venv_works; then
    say "making .venv with Python $python_minor"
    "$python" -m venv --clear .venv
fi

# The development lock holds all of the other one, so it stands for both.
wanted=$(cat "$lock" | cksum)
stamp=.venv/installed-$lock
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
    say "installing Python packages from $lock (a minute or so)"
    rm -f .venv/installed-*
    .venv/bin/python -m pip install -qq --disable-pip-version-check --no-input --no-deps --only-binary :all: \
        --require-hashes -r "$lock" || stop "pip could not install $lock; its reason is above. Is there a network?"
    if [ "$purpose" != run ]; then cat requirements.lock | cksum >.venv/installed-requirements.lock; fi
    echo "$wanted" >"$stamp"
fi

# -- a browser for the tests, where the system's packages have none ------------------------------------

if [ "$purpose" = test ] && ! has_chromium; then
    if ! .venv/bin/python -c 'import sys
from playwright.sync_api import sync_playwright as start
from pathlib import Path
with start() as p: sys.exit(not Path(p.chromium.executable_path).exists())' 2>/dev/null; then
        say "fetching Chromium for the browser tests"
        .venv/bin/python -m playwright install chromium >&2 ||
            stop "Chromium could not be fetched; its reason is above. Install Chromium or Google Chrome, then try again."
        if is_ubuntu; then
            if [ "$(id -u)" = 0 ] || { has sudo && sudo -n true 2>/dev/null; }; then
                .venv/bin/python -m playwright install-deps chromium >&2
            else
                say "Chromium may lack system libraries; if the browser tests fail, copy this line:"
                echo "sudo $(pwd)/.venv/bin/python -m playwright install-deps chromium"
            fi
        fi
    fi
fi
