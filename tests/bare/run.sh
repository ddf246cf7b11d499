#!/bin/sh
# Prove the deployed half in an environment that has numpy, safetensors, typer and rich, and neither torch nor, while
# it installs, a compiler: the package has to install all the same.
# Usage: run.sh PYTHON LEARNING_PYTHON; the second, which has torch, makes a model file and vectors.
set -eu
here="$(cd "$(dirname "$0")" && pwd)"
root="$here/../.."
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
"$1" -m venv "$work/venv"
CC=/nonexistent/cc CXX=/nonexistent/c++ "$work/venv/bin/python" -m pip install -q -c "$root/constraints.txt" "$root[cli]"
"$2" "$here/make_model.py" "$work"
cd "$work"
"$work/venv/bin/python" "$here/check.py" "$work"
