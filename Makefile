# evhold: `make demo` and `make test` do everything, set-up included.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
PY := $(BIN)/python
PATHS := src tests tools $(wildcard bench)
WORKERS ?= 2
export PYTHON

.PHONY: help demo test soak bench bench-full fuzz soak-load sbom check docs format lock clean setup setup-dev

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

demo: setup ## a CSMS with simulated stations, a page to open and a curl line to try
	@$(PY) -m evhold demo $(ARGS)

test: setup-dev ## all tests (ARGS="-k word" picks some, WORKERS=0 runs them in one process)
	@$(PY) -m pytest -n $(WORKERS) --dist loadgroup $(ARGS)

soak: setup-dev ## the tests at full size: many more generated examples
	@$(PY) tests/fuzz --inputs 1000000 --stored 20000 --guided 200000
	@EVHOLD_SOAK=1 $(PY) -m pytest -n $(WORKERS) --dist loadgroup --hypothesis-profile soak -o timeout=0 -o faulthandler_timeout=0 $(ARGS)

fuzz: setup-dev ## inputs that no station should send (ARGS="--inputs 1000000 --seed 7")
	@$(PY) tests/fuzz $(ARGS)

soak-load: setup-dev ## 5,000 stations for 15 minutes, with churn, faults and bad peers (ARGS="--stations 500 --minutes 5")
	@$(PY) -m bench.soak $(ARGS)

bench: setup-dev ## measure, against baselines run in the same session (ARGS="--only reserve")
	@$(PY) -m bench $(ARGS)

bench-full: setup-dev ## the same, growth up to 10,000,000 rows
	@$(PY) -m bench --huge $(ARGS)

check: setup-dev ## format, lint, types, import contracts, generated files
	@$(BIN)/ruff format --check $(PATHS)
	@$(BIN)/ruff check $(PATHS)
	@$(BIN)/mypy
	@$(BIN)/mypy --strict bench
	@$(BIN)/lint-imports --no-cache
	@$(PY) tools/generate_messages.py --check
	@$(PY) tools/state_machine.py --check
	@$(PY) tools/traceability.py --check
	@$(PY) tools/events.py --check
	@$(PY) tools/sbom.py --check

docs: setup-dev ## write the generated files anew
	@$(PY) tools/generate_messages.py
	@$(PY) tools/state_machine.py
	@$(PY) tools/traceability.py
	@$(PY) tools/events.py

format: setup-dev ## format, and mend what the linter can
	@$(BIN)/ruff check --fix-only --quiet $(PATHS)
	@$(BIN)/ruff format $(PATHS)

sbom: setup ## what the service is made of, as CycloneDX JSON, from the lock
	@$(PY) tools/sbom.py

lock: setup-dev ## resolve the dependencies anew (ARGS=--upgrade for newer versions)
	@$(PY) tools/lock.py $(ARGS)

clean: ## remove environments, caches and measurements
	@rm -rf .venv .venv.* build dist src/*.egg-info bench/results
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage*
	@find src tests tools bench -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

setup:
	@sh tools/setup.sh run

setup-dev:
	@sh tools/setup.sh dev
