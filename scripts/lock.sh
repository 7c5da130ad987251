#!/usr/bin/env bash
# Writes constraints.txt: the versions that a fresh installation of .[dev] gets today.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check -e '.[dev]'
{
    echo "# Made by 'make lock'. The versions that 'make demo' and 'make test' install."
    "$work/venv/bin/python" -m pip list --format=freeze --exclude-editable \
        --exclude pip --exclude setuptools
} > "$work/constraints.txt"
mv "$work/constraints.txt" constraints.txt
