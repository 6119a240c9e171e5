# Everything happens in a virtual environment of the project's own: VENV=folder and PYTHON=interpreter choose others.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.geonav-installed

.DEFAULT_GOAL := help
.PHONY: help install demo test test-slow bench check clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP)  ## make .venv and install geonav with its tools into it

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "geonav needs Python 3.11 or newer: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: install  ## build a synthetic city's database, locate photos of it, report
	$(BIN)/geonav demo run

test: install  ## run the tests but the slow ones, in two processes
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-slow: install  ## run the slow tests: the whole table of measurements
	$(BIN)/python -m pytest -m slow

bench: install  ## time everything beside the usual way of doing it, into bench.json; QUICK=1 takes a minute or two, ONLY=ray one row
	$(BIN)/python -m tests.benchmarks $(if $(QUICK),--quick) $(addprefix --only ,$(ONLY))

check: install  ## formatter, linter, types and import directions
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:  ## remove what make made; databases and fetched weights stay
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find geonav tests examples -name __pycache__ -type d -prune -exec rm -rf {} +
