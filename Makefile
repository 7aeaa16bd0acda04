# The front door. Every target is thin: CMake presets build, ctest and pytest test. `make help` lists the targets.
MODEL ?= build/models/all-MiniLM-L6-v2
DEMO_MODEL := build/models/all-MiniLM-L6-v2
# Random weights of bge-m3's size, made if missing (2.3 GB).
FULL_MODEL ?= build/models/full
VENV := .venv
PYTEST := $(VENV)/bin/python -m pytest -q
export CMAKE_BUILD_PARALLEL_LEVEL ?= $(shell nproc)
# Debian's own tools, whatever else is first on the path.
export PATH := /usr/bin:$(PATH)

.PHONY: all help install deb demo test test-fast test-asan test-tsan test-parity bench bench-peers accuracy check format lint packages program dev python wheel clean

all: program  ## the release program at build/bgem3

help:  ## this list
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

packages:
	@tools/install_packages

program: packages
	cmake --preset release
	cmake --build --preset release

# Where `make install` puts it: PREFIX, within DESTDIR if that is given (for who packs).
PREFIX ?= /usr/local
RELEASE := build/release

install: program  ## program, library, headers, manual page and completions into PREFIX (/usr/local)
	cmake --install $(RELEASE) --prefix $(PREFIX)
	[ -n "$(DESTDIR)" ] || [ "$$(id -u)" != 0 ] || ldconfig

deb: program  ## the same as a Debian package, build/bgem3_VERSION_ARCHITECTURE.deb
	cpack --config $(RELEASE)/CPackConfig.cmake -B $(RELEASE)/deb
	mv $(RELEASE)/deb/*.deb build

dev: packages
	cmake --preset dev
	cmake --build --preset dev

$(VENV)/installed: tools/requirements.txt | packages
	python3 -m venv $(VENV)
	$(VENV)/bin/python -m pip install -q --disable-pip-version-check -r tools/requirements.txt
	touch $@

# pyproject.toml has the rest. Built anew each time, in a folder that keeps the objects.
BUILD_WHEEL := $(VENV)/bin/python -m pip wheel -q --disable-pip-version-check --no-build-isolation --no-deps
INSTALL_WHEEL := $(VENV)/bin/python -m pip install -q --disable-pip-version-check --no-deps --force-reinstall

wheel: $(VENV)/installed  ## the Python package as a wheel for python3, in build/wheel
	rm -rf build/wheel
	$(BUILD_WHEEL) --config-settings=cmake.define.BGEM3_WERROR=ON -w build/wheel .

python: wheel  ## the same, installed into .venv
	$(INSTALL_WHEEL) build/wheel/*.whl

$(DEMO_MODEL): tools/get_demo_model.py | packages
	python3 tools/get_demo_model.py

$(FULL_MODEL): | $(VENV)/installed
	$(VENV)/bin/python tools/make_model.py --preset full $@

# Only the model of the default demo is fetched; any other is named by the caller.
demo: program $(filter $(DEMO_MODEL),$(MODEL))  ## embed and search real text with a real model (MODEL=folder or name)
	tools/demo $(MODEL)

test: dev python $(DEMO_MODEL)  ## build and run every test, C++ and Python
	tools/install_packages tests/debian-packages.txt
	ctest --preset dev
	BGEM3_BINARY=build/dev/cli/bgem3 $(PYTEST) tests

test-fast: dev $(VENV)/installed  ## the tests that take under a minute
	ctest --preset dev -L fast
	BGEM3_BINARY=build/dev/cli/bgem3 $(PYTEST) tests/layering_test.py tests/text_rules_test.py

# One build for both halves. Of the Python tests the interpreter is no sanitizer's program, so the runtime comes first.
# Leaks are not looked for, and memory is not measured: the sanitizer keeps what is freed.
ASAN_SITE := build/python-asan-site
test-asan: dev $(VENV)/installed  ## the fast C++ tests and the Python package under the address and undefined-behaviour sanitizers
	cmake --preset asan -DPython_EXECUTABLE=$(abspath $(VENV)/bin/python)
	cmake --build --preset asan
	ctest --preset asan
	rm -rf $(ASAN_SITE)
	cmake --install build/asan --component python --prefix $(ASAN_SITE)
	cp -r python/bgem3 $(ASAN_SITE)
	LD_PRELOAD="$$(g++ -print-file-name=libasan.so) $$(g++ -print-file-name=libstdc++.so)" ASAN_OPTIONS=detect_leaks=0 \
	  PYTHONPATH=$(ASAN_SITE) BGEM3_BINARY=build/dev/cli/bgem3 $(PYTEST) tests/python --ignore tests/python/wheel_test.py \
	  --deselect tests/python/embedder_test.py::test_memory_stays_flat

test-tsan: packages  ## thread pool, MaxSim, encoder, embedder and generator under the thread sanitizer
	cmake --preset tsan
	cmake --build --preset tsan --target base_test scoring_test encoder_test embedder_test generator_test
	ctest --preset tsan -R 'ThreadPool|MaxSim|Encoder|Embedder|Generator'

test-parity: dev wheel $(DEMO_MODEL)  ## compare with transformers, sentence-transformers, LangChain and others (installs 2 GB)
	PARITY=$(PARITY) tests/parity/run

# Without the packages of the comparison the benchmark runs and names the gap.
bench: packages $(VENV)/installed  ## speed as a share of the machine's peak, into bench/results (BENCH=--long: all of it)
	-tools/install_packages bench/debian-packages.txt
	cmake --preset bench
	cmake --build --preset bench
	$(VENV)/bin/python bench/run.py $(BENCH)

bench-peers: packages  ## bgem3 beside every peer, 2 hours (PEERS='--quick --only bgem3,openvino')
	cmake --preset bench
	cmake --build --preset bench
	bench/peers/run --model $(FULL_MODEL) $(PEERS)

accuracy: packages $(VENV)/installed $(DEMO_MODEL) $(FULL_MODEL)  ## what bf16 and int8 cost, on MiniLM, SciFact and random weights of bge-m3's size
	cmake --preset bench
	cmake --build --preset bench
	$(VENV)/bin/python bench/accuracy.py $(DEMO_MODEL) --scifact
	$(VENV)/bin/python bench/accuracy.py $(FULL_MODEL)

check: lint dev test-fast  ## format, lint, layering, build, fast tests

format: packages $(VENV)/installed  ## format the C++ and Python sources
	git ls-files '*.c' '*.cc' '*.h' | xargs clang-format -i
	$(VENV)/bin/ruff format -q

lint: packages $(VENV)/installed
	git ls-files '*.c' '*.cc' '*.h' | xargs clang-format --dry-run --Werror
	$(VENV)/bin/ruff check -q
	$(VENV)/bin/ruff format -q --check
	$(VENV)/bin/mypy

clean:  ## remove what was built
	rm -rf build $(VENV)
