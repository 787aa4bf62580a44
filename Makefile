.DEFAULT_GOAL := help
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LOCK := requirements/lock.txt
PREVIOUS ?= newest
SERVED := tests/e2e tests/integration tests/fuzz
# Python is started hundreds of times, and where it may not keep what it compiles it compiles everything each time.
export PYTHONDONTWRITEBYTECODE :=

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

$(READY): $(LOCK) requirements/bootstrap.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes $(LOCK)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $(READY)

setup: $(READY)  ## make the virtual environment from the lock

demo: $(READY)  ## a year of flights: drift found, model retrained, validated, promoted, audited
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python examples/flights/demo.py  # Flink shares the cores with the trees

demo-stack: $(READY)  ## the same year through Kafka, a Flink cluster, PostgreSQL and Prefect: `leeway up` to the same table
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python examples/flights/demo.py --stack

demo-dashboard: $(READY)  ## the pages of the last demo, in a browser
	$(BIN)/leeway --project examples/flights dashboard

test: $(READY) browser  ## every test, real engines, servers and browser included
	# First the tests with servers, and when these have ended the rest: a broker and a cluster take half a core while they
	# wait. Two files at a time: on two cores a third would only make all of them wait longer.
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(SERVED); served=$$?; \
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(addprefix --ignore=,$(SERVED)) \
	  && exit $$served

test-thorough: $(READY) browser  ## every test with all examples of property tests: an hour
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --hypothesis-profile thorough

test-fast: $(READY)  ## the tests that need no engine, server, browser or patience
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile -m "not slow and not faults" \
	  --hypothesis-profile fast --ignore tests/integration --ignore tests/e2e --ignore tests/faults

test-faults: $(READY)  ## kill every part of a running stack in mid-replay (LEEWAY_FAULT_ROUNDS=5 for five times each)
	$(BIN)/python -m pytest -m faults -v --durations=0 tests/faults tests/integration

test-previous: $(READY)  ## the newest release's registry tests (or those of PREVIOUS=commit) on this checkout's schema
	LEEWAY_PREVIOUS=$(PREVIOUS) $(BIN)/python -m pytest tests/integration/test_next_schema.py -k before

fuzz: $(READY)  ## a million malformed records over all formats, files and topics: some minutes (FUZZ="--seed 1")
	$(BIN)/python -m benchmarks.fuzz $(FUZZ)

check: $(READY)  ## format, lint, types, import fences, docstrings of tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/interrogate --quiet tests

docs: $(READY)  ## build the site, with the reference made from docstrings, into docs/_build; warnings are errors
	$(BIN)/python -m sphinx -b html -W --keep-going -q -j auto -d docs/_build/doctrees docs docs/_build/html

dist: $(READY)  ## build the source archive and the wheel into dist/, where version, changelog and tag agree
	$(BIN)/python -m pytest -n 0 tests/unit/repo/test_release.py
	$(BIN)/hatchling build -d dist

bench: $(READY)  ## speed and memory, as ratios in one run
	$(BIN)/python -m benchmarks

browser:  ## a Chromium for the browser tests, from Debian's packages where none is there
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || [ -n "$$LEEWAY_CHROMIUM" ] || \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; \
	  else echo "no Chromium: the browser tests will be skipped; install one or set LEEWAY_CHROMIUM"; fi

lock: $(READY)  ## compile the hashed locks anew from pyproject.toml
	$(BIN)/uv pip compile requirements/bootstrap.in --python-version 3.11 --generate-hashes --quiet \
	  --custom-compile-command 'make lock' -o requirements/bootstrap.txt
	$(BIN)/uv pip compile pyproject.toml --all-extras --python-version 3.11 --generate-hashes --no-strip-extras --quiet \
	  --custom-compile-command 'make lock' -o $(LOCK)
	$(BIN)/python -m leeway.stack.relock
	for peer in nannyml tfdv; do $(BIN)/uv pip compile requirements/$$peer.in --override requirements/$$peer.override \
	  --python-version 3.11 --generate-hashes --no-emit-index-url --quiet -o requirements/$$peer.txt; done
	for peer in mlflow mlserver; do $(BIN)/uv pip compile requirements/$$peer.in \
	  --python-version 3.11 --generate-hashes --no-emit-index-url --quiet -o requirements/$$peer.txt; done

clean:  ## remove the virtual environment and what examples and builds have written
	rm -rf docs/_build docs/reference/*/ dist $(VENV) $(VENV)-nannyml $(VENV)-tfdv examples/*/.leeway examples/*/.leeway-stack examples/*/events

.PHONY: help setup demo demo-stack demo-dashboard test test-thorough test-fast test-faults test-previous fuzz check docs dist bench browser lock clean
