# Two commands: `make demo` does the main job on real data, `make test` proves the package.
# Both set everything up first, in .venv, with the versions of constraints.txt.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
JOBS ?= 2

.PHONY: demo test lint types check results bare clean

demo: $(READY)
	$(BIN)/shiftlif demo --out runs/demo

test: $(READY)
	$(BIN)/python -m pytest -n $(JOBS)

lint: $(READY)
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks

types: $(READY)
	$(BIN)/mypy

check: lint types test

# Where torch is not installed: a second environment with the deployed half only.
bare: $(READY)
	sh tests/bare/run.sh $(PYTHON) $(BIN)/python

# The accuracy table, results/accuracy.json (resumable; needs SHIFTLIF_DATA; hours, not minutes).
results: $(READY)
	$(BIN)/python -m benchmarks.accuracy --jobs $(JOBS)

# torch goes first and alone, pinned: no other requirement may choose a larger build.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "shiftlif needs Python 3.11 or newer"'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -c constraints.txt torch
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build dist runs .pytest_cache .mypy_cache .ruff_cache .hypothesis
