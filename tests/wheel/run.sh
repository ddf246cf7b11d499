#!/bin/sh
# Prove the distributions: a source distribution, the wheel built from it, and that wheel in an environment of its own
# with neither torch nor, on its PATH, a compiler. Usage: run.sh PYTHON
set -eu
here="$(cd "$(dirname "$0")" && pwd)"
root="$(cd "$here/../.." && pwd)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
"$1" -m venv "$work/tools"
"$work/tools/bin/python" -m pip install -q -c "$root/constraints.txt" build auditwheel
"$work/tools/bin/python" -m build -o "$work/dist" "$root" >"$work/log" 2>&1 || { tail -n 40 "$work/log"; exit 1; }
wheel="$(echo "$work"/dist/*.whl)"
"$work/tools/bin/python" "$here/contents.py" "$work"/dist/*.tar.gz "$wheel"
if [ "$(uname)" = Linux ]; then  # only libraries that every Linux has; how old they may be is up to the machine
    "$work/tools/bin/auditwheel" show "$wheel" >"$work/log"
    tag="$(tr '\n' ' ' <"$work/log" | grep -o 'manylinux_[0-9]*_[0-9]*_[a-z0-9_]*' | head -n 1)"
    test -n "$tag" || { cat "$work/log"; exit 1; }
    echo "$tag"
fi

"$1" -m venv "$work/bare"
"$work/bare/bin/python" -m pip install -q -c "$root/constraints.txt" "$wheel[cli]"
cd "$work"
(
    PATH="$work/bare/bin"
    for compiler in cc gcc clang c++ g++ cmake; do
        if command -v $compiler; then echo "a compiler is on the PATH: this proves nothing"; exit 1; fi
    done
    python "$here/check.py" .
    shiftlif verify program.safetensors --vectors vectors.npz --quiet >"$work/log"
    shiftlif export c program.safetensors --vectors vectors.npz --out exported --quiet >"$work/log"
)
make -s -C exported test
