# Everything here works on a machine with Python 3.11 and make; each target sets up what it needs in .venv.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help demo test quick nodes browser lint types powercuts interop fuzz bench kills format lock clean

help:
	@echo "make demo     publish, index, find and fetch back real tomograms (leaves demo-workspace/)"
	@echo "make demo NETWORK=nodes   the same on a real FLO full node and a real Kubo, started and ended by it"
	@echo "make test     every check: lint, types, floors, unit, property, contract, crash, node and browser tests"
	@echo "make quick    the tests of make test that take seconds"
	@echo "make nodes    real FLO full nodes from npm: accepted blocks, publishing, reorganisations, bad weather"
	@echo "make browser  every page in Chromium, which it installs where it may"
	@echo "make powercuts  power cuts, a full disk and failed reads at length; results in tests/crash/results"
	@echo "make interop  the heavier judges: Kubo and gateway-conformance (go), Helia and older clients (node), databases, sshd"
	@echo "make fuzz     every parser against made-up bytes, SECONDS=60 for all of them together"
	@echo "make hostile  what strangers may send to hurt, with what it costs"
	@echo "make mutants  do the tests notice changed code? SAMPLE=600 changes of each room (an hour)"
	@echo "make bench    measure speed and memory beside a reference"
	@echo "make kills    10,000 kills of publish, index and download (about an hour)"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "etdb needs Python 3.11 or newer; say which with: make PYTHON=python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/demo.stamp: requirements-demo.lock pyproject.toml | $(BIN)/python
	@echo "Setting up $(VENV) (once)"
	@$(PIP) install --require-hashes -r requirements-demo.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev.stamp: requirements-dev.lock pyproject.toml | $(BIN)/python
	@echo "Setting up $(VENV) with the development tools (once)"
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/demo.stamp

$(VENV)/interop.stamp: requirements-interop.lock | $(VENV)/dev.stamp
	@echo "Adding the judges from the Python registry (once)"
	@$(PIP) install --require-hashes -r requirements-interop.lock
	@touch $@

ifeq ($(NETWORK),nodes)
demo: $(VENV)/interop.stamp
	@sh tests/interop/setup.sh
	@$(BIN)/python tests/interop/demo_nodes.py
else
demo: $(VENV)/demo.stamp
	@$(BIN)/etdb demo
endif

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/dev.stamp
	$(BIN)/mypy

quick: $(VENV)/dev.stamp
	$(BIN)/pytest -q -n 3 --dist worksteal -m "not crash" --ignore=tests/hostile --ignore=tests/interop --ignore=tests/browser

test: lint types quick
	$(BIN)/pytest -q -n 2 tests/hostile
	$(BIN)/pytest -q -n 2 -m crash
	$(MAKE) nodes browser

# Two at a time: each test starts its own nodes.
nodes: $(VENV)/dev.stamp
	sh tests/interop/npm.sh
	$(BIN)/pytest -q -n 2 -m node

browser: $(VENV)/interop.stamp
	sh tests/browser/setup.sh
	$(BIN)/pytest -q -n 2 -m browser

interop: $(VENV)/interop.stamp
	sh tests/interop/setup.sh
	$(BIN)/pytest -q -m interop

# Many hours in all, unless POWERCUTS says otherwise: --seconds 600 ends each of the three then, --story sync takes one store.
POWERCUTS ?=
powercuts: $(VENV)/dev.stamp
	$(BIN)/python tests/crash/disk/disk_campaign.py power $(POWERCUTS)
	$(BIN)/python tests/crash/disk/disk_campaign.py full $(POWERCUTS)
	$(BIN)/python tests/crash/disk/disk_campaign.py reads $(POWERCUTS)

SECONDS ?= 60
# The same inputs every time, so that a change is judged and not the dice; 0 throws them.
FUZZ_SEED ?= 2026
fuzz: $(VENV)/dev.stamp
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS) --jobs 2 --seed $(FUZZ_SEED)

hostile: $(VENV)/dev.stamp
	HOSTILE_OUT=tests/hostile/results/hostile.json $(BIN)/pytest -q tests/hostile

SAMPLE ?= 600
# Another seed, other mutants and other kills; it is in the results of the one, in the name of the others'.
SEED ?= 2026
mutants: $(VENV)/dev.stamp
	for room in trust oip ipfs flo; do \
	  $(BIN)/python -m tests.mutation --room $$room --sample $(SAMPLE) --seed $(SEED) --out tests/mutation/results/$$room.json || exit 1; \
	done
	$(BIN)/python -m tests.mutation.table

bench: $(VENV)/dev.stamp
	$(BIN)/python -m benchmarks

kills: $(VENV)/dev.stamp
	$(BIN)/python -m tests.crash.campaign --kills 10000 --seed $(SEED) --out tests/crash/results/kills-$(SEED).json

format: $(VENV)/dev.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Locks name no index: they resolve against whatever the machine is set up to use.
lock: | $(BIN)/python
	$(PIP) install uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --extra demo --extra dev pyproject.toml requirements-build.in -o requirements-dev.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --extra interop -c requirements-dev.lock pyproject.toml -o requirements-interop.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --extra demo -c requirements-dev.lock pyproject.toml requirements-build.in -o requirements-demo.lock

clean:
	rm -rf $(VENV) demo-workspace .mypy_cache .ruff_cache .hypothesis build dist
