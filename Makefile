# make run | test | lint | bench | test-gpu | bench-gpu | clean          docs/development.md says more
# TORCH=system: build against the torch that PYTHON has (default: python3) instead of installing the pinned one.
TORCH ?= pinned
PYTHON ?= python3
VENV ?= .venv
BUILD ?= build
BUILD_TYPE ?= Release
JOBS ?= $(shell nproc)
RUN_ARGS ?=
BENCH_ARGS ?=
PYTEST_ARGS ?=

PY := $(VENV)/bin/python
export PATH := $(abspath $(VENV))/bin:$(PATH)
SETUP := $(PYTHON) tools/setup_env.py --venv $(VENV) --torch $(TORCH)
STAMP := $(VENV)/.flag_gems-$(TORCH)
REQUIREMENTS := $(wildcard requirements/*.txt) tools/setup_env.py

.PHONY: run build build-tests test test-all lint bench test-gpu bench-gpu clean
.DELETE_ON_ERROR:

run: build $(STAMP)-run
	$(PY) examples/run_smollm2.py --report $(BUILD)/run-report.json $(RUN_ARGS)

# ---- environment: a stamp for each purpose, so that nothing is looked at again until the pins change
$(STAMP)-build: $(REQUIREMENTS)
	$(SETUP) torch base tools
	@touch $@
$(STAMP)-run: $(REQUIREMENTS) | $(STAMP)-build
	$(SETUP) run model
	@touch $@
$(STAMP)-test: $(REQUIREMENTS) | $(STAMP)-build
	$(SETUP) test
	@touch $@
$(STAMP)-lint: $(REQUIREMENTS)
	$(SETUP) lint
	@touch $@

# ---- build
CONFIGURE = cmake -S . -B $(BUILD) -G Ninja -DCMAKE_BUILD_TYPE=$(BUILD_TYPE) -DGEMS_PYTHON=$(abspath $(PY))
$(BUILD)/build.ninja: | $(STAMP)-build
	$(CONFIGURE)

build: $(BUILD)/build.ninja
	cmake --build $(BUILD) -j $(JOBS)

build-tests: | $(STAMP)-test
	$(CONFIGURE) -DGEMS_TESTS=ON
	cmake --build $(BUILD) -j $(JOBS)

# ---- checks
test: build-tests
	ctest --test-dir $(BUILD) --output-on-failure -j $(JOBS) -LE slow
	$(PY) -m pytest tests/python -m "not slow" $(PYTEST_ARGS)

# with the emulation of GPU kernels on the host, which compiles each of them with g++: half an hour on two cores
test-all: build-tests $(STAMP)-test
	ctest --test-dir $(BUILD) --output-on-failure -j $(JOBS)
	$(PY) -m pytest tests/python --opinfo all $(PYTEST_ARGS)

lint: $(STAMP)-lint
	tools/lint.sh $(PY)

# ---- a machine with a GPU
test-gpu: build $(STAMP)-test
	tools/test_gpu.sh $(PY) $(BUILD)/test-gpu.txt

bench: build $(STAMP)-run
	benchmark/run_all.sh $(PY) cpu $(BENCH_ARGS)

bench-gpu: build $(STAMP)-run
	benchmark/run_all.sh $(PY) cuda $(BENCH_ARGS)

clean:
	rm -rf $(BUILD) build-* src/flag_gems/lib src/flag_gems/_C*.so
