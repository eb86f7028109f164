# make demo: real purchases to a report. make test: everything that must hold.
.PHONY: setup demo test test-all lint format clean
BIN := .venv/bin

setup:
	@scripts/setup

demo: setup
	@$(BIN)/zhiyin demo

test: lint
	@$(BIN)/python -m pytest -n 2 --dist worksteal

test-all: lint
	@$(BIN)/python -m pytest -n 2 --dist worksteal -m ""

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: setup
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean:
	rm -rf .venv runs/demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
