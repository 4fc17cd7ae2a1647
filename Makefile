# `make help` lists what there is. Everything runs in $(VENV), which is made when missing;
# VENV=/some/venv uses one that already holds the dependencies.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
EXTRAS := dev,test,postgres
CONFIG ?=
PROCESSES ?= 2
SOURCES := xmppd plugins twisted tests bench .ci

.PHONY: help dev check format typecheck test run bench interop faults docs build clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 12

dev: $(VENV)/.installed ## make the virtual environment with everything in it

$(VENV)/.installed: setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("xmppd needs Python 3.11 or newer; say PYTHON=..." if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	    { rm -rf $(VENV); echo "No virtual environment could be made. On Debian: apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$(EXTRAS)]'
	@touch $@

check: dev ## formatting, lint and types
	$(BIN)/ruff format --check $(wildcard $(SOURCES))
	$(BIN)/ruff check $(wildcard $(SOURCES))
	$(BIN)/mypy -p xmppd -p tests

format: dev ## put the sources into the agreed form
	$(BIN)/ruff format $(wildcard $(SOURCES))
	$(BIN)/ruff check --fix $(wildcard $(SOURCES))

test: check ## check, then every test; the last line counts them
	$(BIN)/python .ci/trial.py --processes $(PROCESSES) $(TRIAL) tests

run: dev ## a server on loopback with its data in ./xmppd-data, or with CONFIG=FILE
	$(BIN)/twistd --nodaemon --pidfile= xmppd $(if $(CONFIG),--config $(CONFIG),--data-dir xmppd-data)

bench: dev ## measure with our own small tools (BENCH="..." passes arguments)
	@if test -f bench/__main__.py; then $(BIN)/python -m bench $(BENCH); else echo "No benchmarks yet."; fi

interop: dev ## real clients and peers; installs the peers (Debian packages) when run as root
	@PYTHON=$(abspath $(BIN))/python tests/interop/run

faults: dev ## kill the server under its clients, prove what they have (FAULTS="--help")
	@$(BIN)/python -W ignore -m tests.faults $(FAULTS)

docs: dev ## write the generated pages again
	$(BIN)/python -m xmppd.app.docs

build: dev ## sdist and wheel in dist/
	$(BIN)/python -m build

clean: ## remove what was made (not your data)
	rm -rf .venv build dist *.egg-info _trial_temp* .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} + -o -name dropin.cache -delete
