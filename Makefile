# Two commands carry a newcomer: `make quickstart` and `make test`. Both install what they need into .venv first.

PYTHON ?= python3
# Installed first and by exact version: a plain `torch` would bring gigabytes of CUDA to a machine without a GPU.
TORCH ?= torch==2.13.0
VENV ?= .venv
BIN := $(VENV)/bin
# Tiny models are faster on one thread, and spinning OpenMP threads starve the sandboxes beside them.
export OMP_NUM_THREADS ?= 1
export OMP_WAIT_POLICY ?= PASSIVE
export TOKENIZERS_PARALLELISM ?= false

.PHONY: quickstart test lint format clean

quickstart: $(VENV)/.installed
	$(BIN)/deepeyes quickstart $(ARGS)

test: $(VENV)/.installed lint
	$(BIN)/python -m pytest -n 2 $(ARGS)

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV)

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet $(TORCH)
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@
