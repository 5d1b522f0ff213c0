# Lentera: everything a newcomer, a developer or CI runs. `make` alone explains itself.
# Needs python3 (3.11 or newer) with venv; another one: make demo PYTHON=python3.12

PYTHON ?= python3
# Passed on: make demo ARGS="--seconds 30 --json", make test ARGS="tests/model -k batch", make test ARGS=--cov
ARGS ?=
export PYTHON

VENV := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo test faults test-board check check-board wheel lock services bench clean

help: ## say what can be made
	@echo "make TARGET, where TARGET is one of:"
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name what; do printf '  %-13s %s\n' "$$name" "$$what"; done

demo: .venv/.lentera-demo ## a simulated street, a gateway and the cloud on this machine; Ctrl-C stops it
	@exec $(VENV)/lentera demo $(ARGS)

test: .venv/.lentera-dev ## run every test; on Debian as root it brings the real servers first
	@tests/services/install
	@exec $(VENV)/python -m pytest -ra $(ARGS)

faults: .venv/.lentera-dev ## kill, cut the power, fill the disk, flip bits, break the network, in the long form; a seed: LENTERA_FAULTS_SEED=7 make faults
	@LENTERA_FAULTS=long exec $(VENV)/python -m pytest -ra tests/faults $(ARGS)

test-board: .venv/.lentera-dev ## run the gateway's tests in 256 MB of memory and 60 % of one core (as root)
	@exec .ci/small-board $(VENV)/python -m pytest -ra --timeout 180 $(wildcard tests/gateway tests/drivers) $(ARGS)

check: .venv/.lentera-dev ## style, types, the arrows between the rooms, the rules of the house and the docs
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .
	$(VENV)/basedpyright
	$(VENV)/lint-imports --no-logo
	$(VENV)/python -m pytest -q $(wildcard tests/house tests/docs tests/*/test_docs.py)

check-board: .venv/.lentera-dev ## prove that a board (aarch64) can install the gateway from wheels alone, under 60 MB
	@exec $(VENV)/python .ci/check_board.py

wheel: .venv/.lentera-dev ## build the wheel and prove that it holds what it should and installs for each extra alone
	@exec $(VENV)/python .ci/check_wheel.py

lock: .venv/.lentera-dev ## renew every lock in requirements/
	@requirements/renew

services: ## bring the real servers that the tests use (Mosquitto, PostgreSQL, InfluxDB 2, Chromium for the page)
	@tests/services/install

bench: .venv/.lentera-dev ## measure: print the figures of docs/figures.md (some: make bench ARGS="--only wire32 tcp100")
	@exec $(VENV)/python -m bench $(ARGS)

clean: ## remove .venv and everything that was built
	rm -rf .venv dist build htmlcov .coverage .coverage.* .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is as new as the last set-up, so a warm start does nothing.
.venv/.lentera-demo: requirements/demo.lock pyproject.toml requirements/install
	@requirements/install demo

.venv/.lentera-dev: requirements/dev.lock pyproject.toml requirements/install
	@requirements/install dev
