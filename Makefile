# Two commands: `make demo` does the main job on real data, `make test` proves the package.
# Both set everything up first, in .venv, with the versions of constraints.txt.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
BENCH_VENV ?= .venv-bench
JOBS ?= 2
KERNELS := $(wildcard src/shiftlif/kernels/csrc/* src/shiftlif/runtime/c/* src/shiftlif/runtime/host/*)

.PHONY: demo test lint types check site axe originals results bench-kernels bench-engine bench-mcu bare wheel fuzz clean

demo: $(READY)
	$(BIN)/shiftlif demo --out runs/demo
	@echo 'the command shiftlif is in $(BIN): . $(BIN)/activate'

test: $(READY)
	$(BIN)/python -m pytest -n $(JOBS)

lint: $(READY)
	$(BIN)/ruff check src tests benchmarks docs
	$(BIN)/ruff format --check src tests benchmarks docs/site_hooks.py docs/figures

types: $(READY)
	$(BIN)/mypy

check: lint types test

# The documentation as pages, build/site; a warning is an error. `python docs/figures/draw.py` draws its figures again.
site: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	$(BIN)/python -m tests.docs.blocks

# The accessibility checker that tests/report/test_in_the_browser.py puts into a page; needs npm.
AXE := build/axe/axe.min.js
axe: $(AXE)
$(AXE):
	mkdir -p build/axe
	cd build/axe && npm pack --silent axe-core@4.14.1 && tar -xzf axe-core-4.14.1.tgz --strip-components=1 package/axe.min.js
	touch $@

# Where torch is not installed: a second environment with the deployed half only.
bare: $(READY)
	sh tests/bare/run.sh $(PYTHON) $(BIN)/python

# What would be published: the source distribution, the wheel built from it, and that wheel where no compiler is found.
wheel:
	sh tests/wheel/run.sh $(PYTHON)

# Bytes against the C runtime (libFuzzer, needs clang) and the loaders of files (atheris, in an environment of its own),
# SECONDS each. It stops at a finding, which stays in build/fuzz; what it learns stays there too.
SECONDS ?= 20
FUZZ := build/fuzz
FUZZ_VENV := $(FUZZ)/venv
FUZZED := -max_total_time=$(SECONDS) -timeout=20 -rss_limit_mb=2000
fuzz: $(READY) $(FUZZ_VENV)/.ready
	$(BIN)/python -m tests.fuzz.build $(FUZZ)
	mkdir -p $(FUZZ)/learned
	$(FUZZ)/fuzz_program $(FUZZED) -max_len=512 -artifact_prefix=$(FUZZ)/ $(FUZZ)/learned $(FUZZ)/programs
	PYTHONPATH=src $(FUZZ_VENV)/bin/python -m tests.fuzz.fuzz_loaders models $(FUZZ) $(FUZZED)
	PYTHONPATH=src $(FUZZ_VENV)/bin/python -m tests.fuzz.fuzz_loaders vectors $(FUZZ) $(FUZZED)

# Neurons x data sets x T x seeds, results/bench.jsonl (resumable; needs SHIFTLIF_DATA; hours, not minutes).
results: $(READY)
	$(BIN)/shiftlif bench benchmarks/recipes/edge.yaml --jobs $(JOBS)

# Our neurons beside those of SpikingJelly and snnTorch, in the environment that holds both.
originals: $(BENCH_VENV)/.ready
	$(BENCH_VENV)/bin/python -m pytest tests/originals

# Training speed against eager torch, torch.compile, SpikingJelly and snnTorch, results/training_kernels.json: about
# half an hour on a machine that does nothing else. BENCH='--quick' is short, BENCH='--sections gpu' for a CUDA device.
BENCH ?=
bench-kernels: $(BENCH_VENV)/.ready
	$(BENCH_VENV)/bin/python -m benchmarks.training_kernels $(BENCH)

# The engine against ONNX Runtime, PyTorch and SpikingJelly on trained networks, results/engine.json: 20 minutes on an
# idle machine, after `python -m benchmarks.trained` (needs SHIFTLIF_DATA). BENCH='--quick' is short, BENCH='--resume' goes on.
bench-engine: $(BENCH_VENV)/.ready
	$(BENCH_VENV)/bin/python -m benchmarks.trained --jobs $(JOBS)
	$(BENCH_VENV)/bin/python -m benchmarks.engine $(BENCH)

# Exported networks on microcontroller cores in QEMU, results/mcu.json: about ten minutes (needs the networks of
# benchmarks/trained.py, arm-none-eabi-gcc and qemu-system-arm). BENCH='--quick' is short, BENCH='--render' only writes.
bench-mcu: $(READY)
	$(BIN)/python -m benchmarks.mcu $(BENCH)

# torch goes first and alone, pinned: no other requirement may choose a larger build.
$(READY): pyproject.toml constraints.txt CMakeLists.txt $(KERNELS)
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "shiftlif needs Python 3.11 or newer"'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -c constraints.txt torch
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev]'
	$(BIN)/python -c 'from shiftlif.kernels.cpu import unavailable as why; print(why or "the CPU kernels are built")'
	touch $@

# The libraries it compares with, and the kernels built in a folder of their own. torchvision, which they ask for and the
# benchmarks do not use, does not fit torch's CPU build, and whatever finds it (torchmetrics) fails to import.
$(BENCH_VENV)/.ready: pyproject.toml constraints.txt benchmarks/requirements.txt CMakeLists.txt $(KERNELS)
	test -x $(BENCH_VENV)/bin/python || $(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install -q -c constraints.txt torch
	$(BENCH_VENV)/bin/python -m pip install -q -c constraints.txt -r benchmarks/requirements.txt
	$(BENCH_VENV)/bin/python -m pip uninstall -q -y torchvision
	$(BENCH_VENV)/bin/python -m pip install -q -c constraints.txt -C build-dir=$(BENCH_VENV)/build -e .
	$(BENCH_VENV)/bin/python -c 'from shiftlif.kernels.cpu import unavailable as why; assert not why, why'
	touch $@

# atheris needs Python 3.11 to 3.13 on Linux: where pip finds no wheel of it, `make fuzz` stops here and says so.
$(FUZZ_VENV)/.ready: constraints.txt
	mkdir -p $(FUZZ)
	test -x $(FUZZ_VENV)/bin/python || $(PYTHON) -m venv $(FUZZ_VENV)
	$(FUZZ_VENV)/bin/python -m pip install -q -c constraints.txt numpy safetensors hypothesis atheris==3.0.0
	touch $@

clean:
	rm -rf $(VENV) $(BENCH_VENV) build dist runs .pytest_cache .mypy_cache .ruff_cache .hypothesis
