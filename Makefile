# make demo: real purchases to a report. make test: everything that must hold.
# make experiments-tuning: the figures of tuned language models, hours; -quick: some of them.
.PHONY: setup demo test suite test-all lint format clean experiments-tuning experiments-tuning-quick
BIN := .venv/bin

setup:
	@scripts/setup

demo: setup
	@$(BIN)/zhiyin demo

test: setup
	@$(MAKE) --no-print-directory -j 2 lint suite

suite: setup
	@$(BIN)/python -m pytest -n 2 --dist worksteal

test-all: lint
	@$(BIN)/python -m pytest -n 2 --dist worksteal -m ""

experiments-tuning: setup
	@$(BIN)/python benchmarks/tuning.py
	@$(BIN)/python benchmarks/tuning_tables.py --page runs/experiments/retention

experiments-tuning-quick: setup
	@$(BIN)/python benchmarks/tuning.py --quick
	@$(BIN)/python benchmarks/tuning_tables.py --results runs/experiments/tuning-quick --page runs/experiments/retention-quick

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: setup
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean:
	rm -rf .venv runs/demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
