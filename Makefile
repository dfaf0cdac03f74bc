# Two commands for a newcomer: `make demo` and `make test`. Each sets up .venv by itself; neither needs root.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo test check format setup clean

help:
	@echo "make demo    run the demo shop, break it, and watch Bongsu tell about it"
	@echo "make test    lint, types and tests (tests of servers that are not installed are skipped)"
	@echo "make check   lint and types only"
	@echo "make format  format the code"
	@echo "make clean   remove .venv, .cache and what the builds left"

setup:
	@$(PYTHON) scripts/setup.py

demo: setup
	@$(BIN)/bongsu demo $(ARGS)

check: setup
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy

test: check
	@$(BIN)/pytest -n $${PYTEST_WORKERS:-auto} $(ARGS)

format: setup
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean:
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis dist packages/*/dist
