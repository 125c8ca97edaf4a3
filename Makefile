# Two commands carry a newcomer: `make quickstart` and `make test`. Both install what they need into .venv first.

PYTHON ?= python3
# Installed first and by exact version: a plain `torch` would bring gigabytes of CUDA to a machine without a GPU.
TORCH ?= torch==2.13.0
VENV ?= .venv
# An environment of its own, because vLLM's pins exclude ours; on a machine with GPUs, one with the usual vLLM.
VLLM_VENV ?= .venv-vllm
# One environment for each foreign harness: their pins exclude ours, or one another's.
TOOLS ?= .venv-tools
# One environment for each framework with an adapter of ours.
PLUGINS ?= .venv-plugins
VLMEVALKIT ?= https://github.com/open-compass/VLMEvalKit
BIN := $(VENV)/bin
# Tests at once; with more than there are cores, tests with time limits become unsure.
JOBS ?= 2
# Tiny models are faster on one thread, and spinning OpenMP threads starve the sandboxes beside them.
export OMP_NUM_THREADS ?= 1
export OMP_WAIT_POLICY ?= PASSIVE
export TOKENIZERS_PARALLELISM ?= false

.PHONY: quickstart test lint format clean vllm-cpu test-vllm interchange-tools test-interchange plugins test-plugins

quickstart: $(VENV)/.installed
	$(BIN)/deepeyes quickstart $(ARGS)

test: export DEEPEYES_PLUGINS = $(abspath $(PLUGINS))
test: $(VENV)/.installed lint
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup --no-loadscope-reorder $(ARGS)

# Opt-in, and not part of `test`: five minutes to install, two more for every server to start.
vllm-cpu:
	scripts/vllm_cpu/build.sh $(VLLM_VENV)

test-vllm: export DEEPEYES_VLLM_PYTHON = $(abspath $(VLLM_VENV))/bin/python
test-vllm: export VLLM_CPU_KVCACHE_SPACE ?= 1
test-vllm: $(VENV)/.installed
	$(BIN)/python -m pytest tests/agents/vllm_policy $(ARGS)
	PYTHONPATH=. $(DEEPEYES_VLLM_PYTHON) -m pytest tests/agents/vllm_policy -k "not servers" $(ARGS)

# Opt-in, and not part of `test`: Inspect, lmms-eval and (from its repository) VLMEvalKit, some gigabytes in all.
interchange-tools:
	scripts/interchange_tools.sh $(TOOLS) "$(TORCH)" $(VLMEVALKIT)

test-interchange: export DEEPEYES_INSPECT_PYTHON = $(abspath $(TOOLS))/inspect/bin/python
test-interchange: export DEEPEYES_LMMS_PYTHON = $(abspath $(TOOLS))/lmms/bin/python
test-interchange: export DEEPEYES_VLMEVALKIT_PYTHON = $(abspath $(TOOLS))/lmms/bin/python
test-interchange: $(VENV)/.installed
	$(BIN)/python -m pytest tests/benchmarks/interchange $(ARGS)

# What the adapters' tests need; `make plugins NAMES="trl ray"` builds some of them. Without it `test` skips them.
plugins: $(VENV)/.installed
	scripts/plugins.sh $(VENV) $(PLUGINS) $(NAMES)

test-plugins: export DEEPEYES_PLUGINS = $(abspath $(PLUGINS))
test-plugins: plugins
	$(BIN)/python -m pytest tests/deepeyes_env/adapters $(ARGS)

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
	scripts/install.sh $(BIN)/python --editable ".[dev]"
	touch $@
