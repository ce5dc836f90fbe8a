# `make run` and `make test` set up what they need first; a second call installs nothing.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help setup setup-spark setup-browser run test test-slow lint clean bench-simulated bench-models bench-intake

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

setup: .venv/.installed ## create .venv and install the pinned packages (uv when it is there, else pip)

.venv/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: python 3.11 or newer is needed, $(PYTHON) is older: call make PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@# --no-deps: the lock is complete, and older pips refuse its pins for a package asked for with an extra.
	@if command -v uv >/dev/null 2>&1; then \
	  uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock && uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e . ; \
	else \
	  echo "installing the pinned packages into .venv, about two minutes"; \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . ; \
	fi
	@$(BIN)/risk init
	@touch $@

setup-spark: .venv/.installed-spark ## add the pinned pyspark to .venv (450 MB; Java 17 or newer runs it)

.venv/.installed-spark: .venv/.installed requirements-spark.lock
	@# pyspark comes as source: no build isolation, so that the pinned setuptools builds it.
	@if command -v uv >/dev/null 2>&1; then \
	  uv pip install --quiet --python $(BIN)/python --no-build-isolation --require-hashes --no-deps -r requirements-spark.lock ; \
	else \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --require-hashes --no-deps -r requirements-spark.lock ; \
	fi
	@touch $@

setup-browser: .venv/.installed-browser ## add the pinned playwright and axe-core to .venv (170 MB) for tests that look at pages; Chromium is the system's

.venv/.installed-browser: .venv/.installed requirements-browser.lock
	@if command -v uv >/dev/null 2>&1; then \
	  uv pip install --quiet --python $(BIN)/python --require-hashes --no-deps -r requirements-browser.lock ; \
	else \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-browser.lock ; \
	fi
	@touch $@

run: setup ## the whole pipeline, first promotion and publishing; SOURCE=name DATA=path for another source
	@if [ -n "$(SOURCE)" ]; then $(BIN)/risk use "$(SOURCE)" $(if $(DATA),--data "$(DATA)"); fi
	@$(BIN)/risk run

test: setup ## the quick tests
	@$(BIN)/python -m pytest -q -n 2 -m "not slow" tests

test-slow: setup ## the slow tests too: whole pipeline runs, kills, the real set
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile -m slow tests

lint: setup ## style and layers
	@$(BIN)/ruff check . && $(BIN)/lint-imports

bench-simulated: setup ## 20 simulated portfolios: default against the reference hazard, fraud against the oracle and rules
	@$(BIN)/python -m benchmarks.simulated

.PHONY: bench-leaks
bench-leaks: setup ## the leak screen: planted and honest columns, the real sets, the simulated portfolio
	@$(BIN)/python -m benchmarks.leaks

.PHONY: bench-scenarios
bench-scenarios: setup ## what each simulated scenario does to rates and to a calm world's ranking
	@$(BIN)/python -m benchmarks.scenarios

.PHONY: bench-monitoring
bench-monitoring: setup ## seven-year simulated histories: is the right thing asked for in time, and nothing without need? hours; SEEDS=1-3 CUSTOMERS=3000
	@$(BIN)/python -m benchmarks.histories $(if $(SEEDS),--seeds $(SEEDS)) $(if $(CUSTOMERS),--customers $(CUSTOMERS))

.PHONY: bench-drift
bench-drift: setup ## drift: false alarms when nothing moved, power, customers seen again, seconds and memory by size; PARTS="null power"
	@$(BIN)/python -m benchmarks.drift $(PARTS)

.PHONY: bench-training
bench-training: setup ## training against bare LightGBM on the same matrix: seconds and memory
	@$(BIN)/python -m benchmarks.training

.PHONY: bench-decisions
bench-decisions: setup ## a million decisions by the policy: seconds
	@$(BIN)/python -m benchmarks.decisions

.PHONY: bench-what-if
bench-what-if: setup ## simulated portfolios: how often the months that came lie in the forecast loss's interval, and how wide it is
	@$(BIN)/python -m benchmarks.what_if

.PHONY: bench-serving
bench-serving: setup ## a score with reasons in process, over HTTP and in batches beside LightGBM and mlflow models serve; 20 minutes of load
	@$(BIN)/python -m benchmarks.serving $(PARTS)

.PHONY: bench-reasons
bench-reasons: setup ## are reasons the same after a refit, enough, and true of who is declined? 5,000 and 50,000 simulated customers; CUSTOMERS=5000
	@$(BIN)/python -m benchmarks.reasons $(if $(CUSTOMERS),--customers $(CUSTOMERS))

.PHONY: bench-explained
bench-explained: setup ## what reasons cost the score stage: processor time a row, how many rows are watched; CUSTOMERS=5000
	@$(BIN)/python -m benchmarks.explained $(if $(CUSTOMERS),--simulated $(CUSTOMERS))

.PHONY: bench-policies
bench-policies: setup ## 20 simulated portfolios: a policy chosen on years 1 to 3 against none, a scorecard's and the best in hindsight
	@$(BIN)/python -m benchmarks.policies

.PHONY: bench-reports
bench-reports: setup ## 1,000 officer reports of a simulated book, both languages: seconds, memory, bytes
	@$(BIN)/python -m benchmarks.reports

bench-models: setup ## every shipped source against the reference script on the same rows: one table
	@$(BIN)/python -m benchmarks.models

bench-intake: setup ## 10 million transactions and 1 million statements: intake against DuckDB's bare read-and-write
	@$(BIN)/python -m benchmarks.intake

.PHONY: bench-features
bench-features: setup ## features: against SQL and pandas, growing books, a portfolio, fraud, one customer, Spark; PARTS="one fraud" JSON=figures.json
	@$(BIN)/python -m benchmarks.features $(PARTS) $(if $(JSON),--json "$(JSON)") $(BENCH)

.PHONY: bench-alerts
bench-alerts: setup ## early warning on simulated calm portfolios: alerts a month, precision beside the base rate and the riskiest, lead time
	@$(BIN)/python -m benchmarks.alerts

.PHONY: bench-spark
bench-spark: setup-spark ## the Spark feeder against the DuckDB feeder on 1, 3 and 10 million transactions: seconds and memory
	@$(BIN)/python -m benchmarks.spark 1000000 3000000 10000000

.PHONY: bench-kill
bench-kill: setup ## the service killed fifty times under load on SQLite and PostgreSQL (CUSTOMER_RISK_POSTGRES_URL): is every answer in the ledger? KILLS=50
	@$(BIN)/python -m benchmarks.kill --kills $(or $(KILLS),50)

.PHONY: bench-cycle
bench-cycle: setup ## `risk cycle` killed at thirty random moments, each followed by a run that completes: is anything lost, half done, left over? KILLS=30
	@$(BIN)/python -m benchmarks.cycle_kill --kills $(or $(KILLS),30)

clean: ## remove what runs wrote: data/ and var/, not .venv
	rm -rf var dvc_plots && git clean -fdXq data
