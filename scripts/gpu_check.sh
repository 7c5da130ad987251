#!/usr/bin/env bash
# What only a GPU shows, in a few minutes: `scripts/gpu_check.sh [SCRIPTS PHOTOS]`.
#
# For a machine that has torch, accelerate, peft and transformers and may have no network. What it
# lacks comes along in .wheels/, which `scripts/gpu_check.sh wheels` fetches for Python 3.12.
# SCRIPTS are diffusers' examples, PHOTOS an image folder; without them nothing is compared.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "${1:-}" = wheels ]; then
    names="diffusers hydra-core omegaconf antlr4-python3-runtime torchmetrics lightning-utilities torch-fidelity lpips tensorboard"
    platforms=$(printf -- '--platform manylinux_2_%s_x86_64 ' 28 17)
    for name in $names; do
        # The versions that the tests run with; a source archive is built here.
        version=$(sed -n "s/^$name==/==/p" constraints.txt)
        "${PYTHON:-python3}" -m pip download --quiet --no-deps --only-binary=:all: --dest .wheels \
            --python-version 3.12 --implementation cp $platforms "$name$version" \
            || "${PYTHON:-python3}" -m pip wheel --quiet --no-deps --wheel-dir .wheels "$name$version"
    done
    du -sh .wheels
    exit
fi

if ! python3 -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
    echo "no GPU here: nothing was checked"
    exit 3
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ ! -d .wheels ] || python3 -m pip install --quiet --no-index --no-deps --target "$work/site" .wheels/*.whl
export PYTHONPATH="$work/site:$PWD" HF_HUB_OFFLINE=1 SDEXP_STORE="$work/store" WANDB_MODE=disabled
python3 scripts/gpu_check.py "$work" "$@"
