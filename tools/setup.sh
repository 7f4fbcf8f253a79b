#!/bin/sh
# Make .venv hold exactly what the locks say. Usage: tools/setup.sh run|dev
#   run: what `evhold` needs (requirements.txt)      dev: that, what the tests need (requirements-dev.txt), and a Chromium
# Nothing is done when nothing changed. PYTHON=... chooses the interpreter (3.11 or later), TEST_CHROMIUM=... the browser.
set -eu
cd "$(dirname "$0")/.."
level=${1:?usage: tools/setup.sh run|dev}
venv=.venv
stamp=$venv/.evhold-$level
browsers="chromium chromium-browser google-chrome google-chrome-stable"

say() { echo "setup: $*"; }
fail() {
    for line in "$@"; do echo "setup: $line" >&2; done
    exit 1
}
is_root() { [ "$(id -u)" = 0 ]; }
new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if new_enough "$candidate"; then
            PYTHON=$candidate
            return
        fi
    done
    fail "Python 3.11 or later is needed and none was found (looked for: ${PYTHON:-python3 python3.13 python3.12 python3.11})." \
        "On Debian or Ubuntu: apt-get install python3 python3-venv; or name one: make PYTHON=/path/to/python3"
}

# Sets $browser to $1 when that starts (a chromium-browser may be a script that only asks for a snap).
starts() { browser=$(command -v "$1") && "$browser" --version >/dev/null 2>&1; }

find_browser() {
    if [ -n "${TEST_CHROMIUM:-}" ]; then
        starts "$TEST_CHROMIUM"
        return
    fi
    for candidate in $browsers; do
        if starts "$candidate"; then return; fi
    done
    return 1
}

# The page is tested in a real browser, and no test is left out for want of one.
need_browser() {
    if find_browser; then return; fi
    if [ -z "${TEST_CHROMIUM:-}" ] && is_root && command -v apt-get >/dev/null; then
        say "installing chromium"
        apt_install chromium fonts-liberation || true
        if find_browser; then return; fi
    fi
    fail "the tests need Chromium and none was found that starts (looked for: ${TEST_CHROMIUM:-$browsers})." \
        "On Debian: sudo apt-get install chromium; or name one (Google Chrome will do): make TEST_CHROMIUM=/path/to/chrome"
}

apt_install() {
    export DEBIAN_FRONTEND=noninteractive
    set -- apt-get install -y -q --no-install-recommends "$@"
    { "$@" || { apt-get update -q && "$@"; }; } >/dev/null
}

# The one that was found stays the one, until it is gone or another is named.
has_browser() {
    [ "$level" = dev ] || return 0
    [ -f "$venv/.evhold-browser" ] || return 1
    browser=$(cat "$venv/.evhold-browser")
    [ -x "$browser" ] && { [ -z "${TEST_CHROMIUM:-}" ] || [ "$(command -v "$TEST_CHROMIUM")" = "$browser" ]; }
}

# What the stamp holds: the locks, the project's own settings, where the tree is (an editable install points at it).
fingerprint() {
    files="requirements.txt pyproject.toml tools/setup.sh"
    [ "$level" = run ] || files="$files requirements-dev.txt"
    # shellcheck disable=SC2086
    cksum $files
    pwd
}

# Sets $pip to a pip that installs into $1: its own, or the system's.
choose_pip() {
    new_enough "$1/bin/python" || return 1
    if "$1/bin/python" -m pip --version >/dev/null 2>&1; then
        pip="$1/bin/python -m pip"
    elif "$PYTHON" -m pip --python "$1/bin/python" --version >/dev/null 2>&1; then
        pip="$PYTHON -m pip --python $1/bin/python"
    else
        return 1
    fi
}

# A failed `python -m venv` leaves a broken folder: it is tried beside, and only what works gets the name.
try_venv() {
    rm -rf "$venv.new"
    if "$PYTHON" -m venv "$@" "$venv.new" >/dev/null 2>&1 && choose_pip "$venv.new"; then
        rm -rf "$venv"
        mv "$venv.new" "$venv"
        # The scripts of a moved environment name the old folder: written again, and pip is always called as a module.
        "$PYTHON" -m venv --without-pip "$venv" >/dev/null
        rm -f "$venv"/bin/pip*
        choose_pip "$venv"
        return
    fi
    rm -rf "$venv.new"
    return 1
}

make_venv() {
    say "making $venv with $("$PYTHON" --version)"
    if try_venv || try_venv --without-pip; then return; fi
    package="python$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
    if is_root && command -v apt-get >/dev/null; then
        say "installing $package"
        apt_install "$package" || true
        if try_venv || try_venv --without-pip; then return; fi
    fi
    fail "this Python cannot make virtual environments with pip." "On Debian or Ubuntu: sudo apt-get install $package (or python3-pip); then run make again."
}

if [ -f "$stamp" ] && [ "$(fingerprint)" = "$(cat "$stamp")" ] && "$venv/bin/python" -c '' 2>/dev/null; then
    if has_browser; then exit 0; fi
    need_browser
    echo "$browser" >"$venv/.evhold-browser"
    exit 0
fi
find_python
[ "$level" = run ] || need_browser
choose_pip "$venv" || make_venv
rm -f "$venv"/.evhold-*
requirements=requirements.txt
[ "$level" = run ] || requirements="$requirements requirements-dev.txt"
say "installing $requirements"
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_NO_WARN_SCRIPT_LOCATION=1
# shellcheck disable=SC2046,SC2086
$pip install -qq --require-hashes $(printf ' -r %s' $requirements)
# shellcheck disable=SC2086
$pip install -qq --no-deps --no-build-isolation --editable .
[ "$level" = run ] || echo "$browser" >"$venv/.evhold-browser"
for level in run $level; do fingerprint >"$venv/.evhold-$level"; done
say "done"
