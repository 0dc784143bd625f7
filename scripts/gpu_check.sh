#!/usr/bin/env bash
# Check this package on a GPU in at most 8 minutes; on a CPU with small models: --tiny.
# Prints a table for docs/benchmarks.md. Needs no network; see scripts/gpu_check/README.md.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
SITE=""
if compgen -G ".whl/*.whl" > /dev/null; then
    SITE=$(mktemp -d)
    trap 'rm -rf "$SITE"' EXIT
    "$PYTHON" -m pip install --quiet --no-index --no-deps --no-compile --target "$SITE" .whl/*.whl
fi
export PYTHONPATH="$PWD${SITE:+:$SITE}${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1 HF_HUB_OFFLINE=1
"$PYTHON" -m scripts.gpu_check "$@"
