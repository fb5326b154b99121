# culpa: `make demo` and `make test` are all the set-up a fresh machine needs.
# PYTHON=... picks another interpreter; .venv is built once and rebuilt when pyproject.toml or constraints.txt change.

PYTHON ?= $(firstword $(foreach p,python3.11 python3 python,$(shell $(p) -c \
	'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(p))))
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

# One process more than there are cores: those of the flows wait for servers half of their time.
PROCESSES := $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))

export DO_NOT_TRACK := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export SCARF_NO_ANALYTICS := true
export HF_HUB_DISABLE_TELEMETRY := 1

.DEFAULT_GOAL := help
.PHONY: help demo test browser postgres lint types bench peers schedulers format

help:
	@echo "make demo    run culpa on real data with planted errors, and say where to look"
	@echo "make test    run every test"
	@echo "make browser install chromium (Debian), for the tests of the report"
	@echo "make postgres install a PostgreSQL server (Debian), for the tests against one"
	@echo "make lint    check format, style and the direction of imports"
	@echo "make types   check types (mypy, strict)"
	@echo "make bench   measure detection and speed against other tools"
	@echo "make peers   measure networks beside captum, dattri, kronfluence, traker and pyDVL"
	@echo "make schedulers  run the snippets for Airflow, Dagster and dbt of flows/README.md"
	@echo "make format  rewrite the format"

demo: .venv/installed
	@$(BIN)/python -m culpa.flows.demo

test: .venv/installed
	@$(BIN)/python -m pytest --numprocesses $(PROCESSES) --dist loadfile --no-loadscope-reorder $(PYTEST)

# For the tests of the report in a real browser, which are skipped without one.
browser:
	@command -v chromium >/dev/null || { apt-get update && apt-get install --yes --no-install-recommends chromium; } \
		>/dev/null 2>&1 || echo "no chromium could be installed: the report is not tested in a browser" >&2

# For the tests against a real server, which start one of their own and are skipped where none is installed.
postgres:
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || { apt-get update && \
		apt-get install --yes --no-install-recommends postgresql; } >/dev/null 2>&1 || \
		echo "no PostgreSQL could be installed: it is not tested as source and output" >&2

lint: .venv/installed
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports

# Type checkers do not follow an editable package-dir mapping: show them the layout as a folder of links.
types: .venv/installed
	@mkdir -p .types/culpa
	@for p in flows tasks influence; do ln -sfn ../../$$p .types/culpa/$$p; done
	@MYPYPATH=.types $(BIN)/python -m mypy -p culpa.flows -p culpa.tasks -p culpa.influence

bench: .venv/installed-bench
	@$(BIN)/python -m tests.benchmarks

peers: .venv-peers/installed .venv-pydvl/installed
	@.venv-peers/bin/python -m tests.benchmarks.peers.faithfulness
	@.venv-peers/bin/python -m tests.benchmarks.peers.network_speed
	@.venv-peers/bin/python -m tests.benchmarks.peers.datamodeling

format: .venv/installed
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

.venv/installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "culpa needs Python 3.11 or newer; found none. Try: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing culpa into .venv (once; a few minutes)"
	@$(PIP) --editable '.[dev]'
	@touch $@

.venv/installed-bench: .venv/installed
	@$(PIP) --editable '.[bench]'
	@touch $@

# The exact torch first: another package's range would bring a build for graphics cards.
TORCH := $(shell grep '^torch==' constraints.txt)
PEERS := tests/benchmarks/peers

.venv-peers/installed: pyproject.toml constraints.txt $(PEERS)/requirements.txt
	@test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	@.venv-peers/bin/python -m pip install --quiet '$(TORCH)'
	@.venv-peers/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[test,bench]'
	@.venv-peers/bin/python -m pip install --quiet --no-deps --requirement $(PEERS)/requirements.txt
	@rm -rf .venv-peers/lib/python*/site-packages/tests
	@touch $@

.venv-pydvl/installed: $(PEERS)/requirements-pydvl.txt
	@test -x .venv-pydvl/bin/python || $(PYTHON) -m venv .venv-pydvl
	@.venv-pydvl/bin/python -m pip install --quiet '$(TORCH)'
	@.venv-pydvl/bin/python -m pip install --quiet --no-deps --requirement $(PEERS)/requirements-pydvl.txt
	@touch $@

# Each in an environment of its own: they and culpa's exact versions exclude each other. Dagster's asset imports culpa, and
# finds it, with all that it needs, in .venv.
schedulers: .venv-schedulers/installed .venv-airflow/installed
	@$(BIN)/python -m pytest tests/flows/test_schedulers.py

.venv-schedulers/installed: tests/flows/requirements-schedulers.txt .venv/installed
	@test -x .venv-schedulers/bin/python || $(PYTHON) -m venv .venv-schedulers
	@.venv-schedulers/bin/python -m pip install --quiet --requirement $<
	@$(BIN)/python -c 'import site; print(f"import site; site.addsitedir({site.getsitepackages()[0]!r})")' \
		> "$$(.venv-schedulers/bin/python -c 'import site; print(site.getsitepackages()[0])')/culpa.pth"
	@touch $@

.venv-airflow/installed: tests/flows/requirements-airflow.txt
	@test -x .venv-airflow/bin/python || $(PYTHON) -m venv .venv-airflow
	@.venv-airflow/bin/python -m pip install --quiet --requirement $<
	@touch $@
