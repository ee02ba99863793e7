# make app    set up everything and open the page on the embedded world
# make test   set up everything and run all tests, the browser's included
# make quick  lint, and the tests that are neither slow nor in a browser
# make lint | types | unit | e2e | format | laws | licences | lock | bench | world | screenshot | clean

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
LOCKED := $(PIP) install --no-deps --require-hashes
PACKAGES := cli attribution precompute training demo evaluation benchmarks app

# The page and its tests share their cores with a browser: threads that spin while they wait would
# starve it (a tiny pipeline took 23 s instead of 0.5 s). Nothing calls out: no hub, no analytics.
QUIET := GOMP_SPINCOUNT=0 OMP_WAIT_POLICY=PASSIVE GRADIO_ANALYTICS_ENABLED=False HF_HUB_OFFLINE=1
# Several processes of one thread each are faster than one of several threads: the tests' models are small.
WORKERS ?= $(shell cores=$$(nproc); echo $$((cores < 4 ? cores : 4)))
TESTING := $(QUIET) TOKENIZERS_PARALLELISM=false PYTHONHASHSEED=0 OMP_NUM_THREADS=1
PYTEST := $(TESTING) $(BIN)/python -m pytest -n $(WORKERS)

.PHONY: help app test quick lint types unit e2e format laws licences lock bench world screenshot clean chromium

help:
	@sed -n '1,4s/^# //p' Makefile

app: $(VENV)/.app
	$(QUIET) $(BIN)/python app.py

# Types take one core for half a minute, and the browser's tests leave more than that idle.
test: lint unit
	$(MAKE) --jobs 2 --output-sync=line types e2e

quick: lint
	$(PYTEST) --dist worksteal -m "not e2e and not slow"

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m tests.supply audit

# `app.py` and the package `app` share a name, so the script is checked apart, as a text.
types: $(VENV)/.dev
	$(BIN)/mypy $(PACKAGES:%=-p %) -m docs.take_screenshots
	$(BIN)/mypy -c "$$(cat app.py)"

unit: $(VENV)/.dev
	$(PYTEST) --dist worksteal -m "not e2e"

# A worker has a server and a browser of its own, and whole files: what is asked once a file stays so.
e2e: $(VENV)/.dev chromium
	$(PYTEST) --dist loadscope tests/e2e

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

laws: $(VENV)/.dev
	$(BIN)/python -m tests.laws

licences: $(VENV)/.dev
	$(BIN)/python -m tests.supply licences

# After a change of requirements*.txt: `make lock`, then `make licences`.
lock: $(VENV)/.dev
	PATH="$(CURDIR)/$(BIN):$$PATH" .ci/lock

bench: $(VENV)/.dev
	$(QUIET) $(BIN)/python -m benchmarks

world: $(VENV)/.app
	$(BIN)/python -m demo build

screenshot: $(VENV)/.dev chromium
	$(QUIET) $(BIN)/python -m docs.take_screenshots

clean:
	rm -rf $(VENV) build .pytest_cache .ruff_cache .mypy_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

chromium:
	@.ci/chromium

# Each stamp stands for a finished installation, so an interrupted one is taken up again and a second
# `make` installs nothing.
$(VENV)/.created:
	@python=$$(.ci/python) && "$$python" -m venv $(VENV)
	@touch $@

# Everything but torch by the hashes of the lock files, and nothing that they do not list. Then torch, whose build
# (CPU's or CUDA's) is this machine's choice: what it needs is there already, and it brings no more than its build's.
$(VENV)/.app: requirements.txt requirements.lock $(VENV)/.created
	$(LOCKED) -r requirements.lock
	$(PIP) install "$$(grep '^torch==' requirements.txt)"
	$(PIP) check
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.app
	$(LOCKED) -r requirements-dev.lock
	$(PIP) check
	@touch $@
