# `make run` and `make test` do all set-up themselves; `make help` lists the rest.
SHELL := /bin/sh
PYTHON := .venv/bin/python
# One more than cores: many tests wait for a process, a vendor or a moment.
WORKERS ?= 3
TRIALS ?= 30
SEED ?=
PYTEST := $(PYTHON) -m pytest --dist worksteal
SOURCES := providers qc jobs vidbatch_site

ifeq ($(shell uname -s),Darwin)  # keg-only: Homebrew links neither into the PATH
export PATH := /opt/homebrew/opt/ffmpeg-full/bin:/usr/local/opt/ffmpeg-full/bin:$(PATH)
endif

# Images of containers like to set it: then each of the many processes that tests start compiles everything anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run test unit slow postgres browser vendors chaos kills bench check lint types imports format lock clean bootstrap-unit bootstrap-test
.DEFAULT_GOAL := help

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F '\t' '{printf "  make %-10s %s\n", $$1, $$2}'

# exec, so that signals reach the supervisor itself and no shell stands between
run: ## Install what is missing, then start vidbatch on http://127.0.0.1:8000
	@sh scripts/bootstrap.sh run && exec $(PYTHON) manage.py start

# One after the other, whatever -j says: they share two cores and each starts services of its own. What has limits of
# time (a page within 5 s, work within 10 s after a kill) runs two at a time.
test: bootstrap-test ## Install what is missing, then run every test: SQLite, PostgreSQL, browser, kills
	@$(PYTEST) -n $(WORKERS) -m "not (browser or postgres or chaos or live)"
	@$(PYTHON) -m tests.services postgres -- $(PYTEST) -n $(WORKERS) -m "(engine or postgres) and not (browser or chaos or live)"
	@$(PYTEST) -n 2 -m "browser and not live" tests/browser
	@$(PYTEST) -n 2 -m "chaos and not live" tests/chaos tests/supervisor
	@$(PYTHON) -m tests.chaos trials --trials 30

unit: bootstrap-unit ## The quick ones, on SQLite
	@$(PYTEST) -n $(WORKERS) -m "not (browser or postgres or chaos or slow or live)"

slow: bootstrap-unit ## The thorough ones, on SQLite
	@$(PYTEST) -n $(WORKERS) -m "slow and not (browser or postgres or chaos or live)"

postgres: bootstrap-unit ## The engine's tests on a PostgreSQL of their own
	@$(PYTHON) -m tests.services postgres -- $(PYTEST) -n $(WORKERS) -m "(engine or postgres) and not (browser or chaos or live)"

browser: bootstrap-test ## From sign-in to a played MP4, in Chromium
	@$(PYTEST) -n 2 -m "browser and not live" tests/browser

chaos: bootstrap-test ## Disturb the engine in every way, on both databases; TRIALS=200 SEED=abc
	@$(PYTHON) -m tests.chaos trials --trials $(TRIALS) --seed "$(SEED)"

vendors: bootstrap-unit ## Make 20 whole videos by each set of vendors, over the simulator (most of an hour)
	@VIDBATCH_TEST_TOPICS=20 VIDBATCH_TEST_SETS=all $(PYTEST) -n $(WORKERS) tests/e2e/test_vendors.py

kills: bootstrap-unit ## Kill processes of whole installations at random; TRIALS=10 for more of it
	@$(PYTEST) -n 2 -m "chaos and not live" tests/chaos tests/supervisor

bench: bootstrap-test ## Measure the engine beside what is achievable and beside others; ONLY=A_quiet,B RUNS=3 for less
	@$(PYTHON) -m benchmarks $(if $(ONLY),--only $(ONLY)) $(if $(RUNS),--runs $(RUNS))

check: lint types imports ## Style, types and import arrows

lint: bootstrap-unit
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .

# The settings make a data folder when imported; this one is nobody's.
types: bootstrap-unit
	@VIDBATCH_DATA=.mypy_cache/data $(PYTHON) -m mypy $(SOURCES) manage.py

imports: bootstrap-unit
	@.venv/bin/lint-imports --cache-dir .import_linter_cache

format: bootstrap-unit ## Let ruff put the code in order
	@$(PYTHON) -m ruff check --fix .
	@$(PYTHON) -m ruff format .

lock: bootstrap-unit ## Resolve the dependencies anew, for Python 3.11 to 3.13 and every platform
	@sh scripts/lock.sh

clean: ## Remove caches and .venv; data/ stays
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis staticfiles test-results
	@find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

bootstrap-unit bootstrap-test: bootstrap-%:
	@sh scripts/bootstrap.sh $*
