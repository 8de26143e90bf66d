#!/usr/bin/env bash
# Makes the virtual environment .venv with everything at the versions of requirements.lock, and builds CLAIRO
# into it. Does nothing where that was done for the same sources. Sourced or called by scripts/demo and scripts/test.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

need() { # need COMMAND HOW-TO-INSTALL-IT
    command -v "$1" >/dev/null || { echo "missing on this machine: $1; install it with: $2" >&2; exit 2; }
}
python=${PYTHON:-python3}
need "$python" "apt-get install python3 python3-venv (3.11 or newer)"
need cargo "curl https://sh.rustup.rs -sSf | sh"
need cc "apt-get install gcc"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "$python is older than 3.11; install a newer one and name it: PYTHON=python3.12 $0" >&2; exit 2; }
"$python" -c 'import ensurepip, venv' 2>/dev/null || {
    echo "missing on this machine: venv; install it with: apt-get install python3-venv" >&2; exit 2; }

stamp=.venv/.installed
if [ ! -f "$stamp" ] || ! cmp -s requirements.lock "$stamp"; then
    echo "setting up .venv (about 2 minutes, most of it torch)" >&2
    [ -x .venv/bin/python ] || "$python" -m venv .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
    cp requirements.lock "$stamp"
fi
built=.venv/.built
if [ ! -f "$built" ] || [ -n "$(find Cargo.toml Cargo.lock pyproject.toml rust -newer "$built" -print -quit)" ]; then
    echo "building the Rust core" >&2
    words=$(VIRTUAL_ENV="$PWD/.venv" .venv/bin/maturin develop --release --locked --quiet 2>&1) || {
        echo "$words" >&2; exit 1; }
    touch "$built"
fi
