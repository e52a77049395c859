#!/usr/bin/env bash
# Runs the tests with the oldest versions of everything that pyproject.toml allows, or with the
# newest there are, in a fresh environment outside the checkout:
#
#     tests/versions.sh oldest|newest [arguments of pytest]
#
# PYTHON names the interpreter. What has no wheels for it counts as not there: "oldest" is then the
# oldest that has, such as TensorFlow 2.20 on Python 3.13.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case "${1-}" in
    oldest) resolution=lowest-direct ;;  # lowest: our own bounds; what those need in turn: newest
    newest) resolution=highest ;;
    *)
        echo "usage: $0 oldest|newest [arguments of pytest]" >&2
        exit 2
        ;;
esac
shift

export TF_CPP_MIN_LOG_LEVEL=2
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

"${PYTHON:-python3}" -m venv "$work/tools"
"$work/tools/bin/pip" install --quiet uv
uv="$work/tools/bin/uv"
"${PYTHON:-python3}" -m venv "$work/venv"
python="$work/venv/bin/python"
# TensorFlow chooses first: else the newest h5py may leave an older TensorFlow only.
"$uv" pip install --quiet --python "$python" --resolution "$resolution" \
    --only-binary :all: --no-binary sktransfer tensorflow ".[test]"

"$python" --version
"$uv" pip list --quiet --python "$python"
"$python" -m pytest "$@"
