# Two commands carry a newcomer: `make quickstart` and `make test`. Both install what they need into .venv first.

PYTHON ?= python3
# Installed first and by exact version: a plain `torch` would bring gigabytes of CUDA to a machine without a GPU.
TORCH ?= torch==2.13.0
VENV ?= .venv
# An environment of its own, because vLLM's pins exclude ours; on a machine with GPUs, one with the usual vLLM.
VLLM_VENV ?= .venv-vllm
BIN := $(VENV)/bin
# Tiny models are faster on one thread, and spinning OpenMP threads starve the sandboxes beside them.
export OMP_NUM_THREADS ?= 1
export OMP_WAIT_POLICY ?= PASSIVE
export TOKENIZERS_PARALLELISM ?= false

.PHONY: quickstart test lint format clean vllm-cpu test-vllm

quickstart: $(VENV)/.installed
	$(BIN)/deepeyes quickstart $(ARGS)

test: $(VENV)/.installed lint
	$(BIN)/python -m pytest -n 2 $(ARGS)

# Opt-in, and not part of `test`: five minutes to install, two more for every server to start.
vllm-cpu:
	scripts/vllm_cpu/build.sh $(VLLM_VENV)

test-vllm: $(VENV)/.installed
	DEEPEYES_VLLM_PYTHON=$(abspath $(VLLM_VENV))/bin/python $(BIN)/python -m pytest tests/agents/vllm_policy $(ARGS)
	PYTHONPATH=. $(VLLM_VENV)/bin/python -m pytest tests/agents/vllm_policy/test_policy.py $(ARGS)

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
