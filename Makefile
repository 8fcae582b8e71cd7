# Commands of the project. `make bench` and `make test` do all set-up themselves; the first set-up downloads torch.
#
#   make bench [SUITE=quick] [SEEDS=5] [WORKERS=2]     train, measure, report
#   make study [STUDY=lr-k-quick] [TRIALS=20]          search learning rates and k, report
#   make report [SUITE=quick]                          write the report of the recorded runs
#   make ui [PORT=5000]                                open MLflow's pages
#   make perf                                          measure the speed of the harness
#   make docs                                          build the documentation as a site
#   make pictures [ONLY=quick,mlflow]                  make the examples and pictures of docs/ again (hours)
#   make test | test-slow | test-faults | check        tests and checks for contributors
#   make setup TORCH_INDEX=https://...                 torch from another index, e.g. one with CPU-only wheels

PYTHON ?= python3
SUITE ?= quick
STUDY ?= lr-k-quick
PORT ?= 5000
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
STAMP := $(VENV)/.complete
TORCH_INDEX ?= $(shell cat $(VENV)/torch-index 2>/dev/null)

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.PHONY: help setup bench study report ui perf docs pictures check lint format format-check type test test-slow test-faults audit lock clean

# One core for each process, in tests as in runs: more threads would compete for the cores.
export OMP_NUM_THREADS ?= 1
# Without cached bytecode, each process would compile all files again.
unexport PYTHONDONTWRITEBYTECODE
# MLflow sends telemetry by default.
export MLFLOW_DISABLE_TELEMETRY ?= true

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | head -11

setup: $(STAMP)
	@echo "set-up is complete: $(BIN)/ganbench --help"

# Runs again only after a requirement has changed. The stamp is written last, so the next call repairs an interrupted set-up.
$(STAMP): pyproject.toml requirements.lock
	@command -v "$(PYTHON)" >/dev/null || { echo "error: there is no $(PYTHON): install Python 3.11 or newer, or make PYTHON=/path/to/it" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: Python 3.11 or newer is needed, $(PYTHON) is $$("$(PYTHON)" -V): make PYTHON=python3.11" >&2; exit 1; }
	@rm -f $@
	@echo "set-up 1/3: virtual environment $(VENV)"
	@[ -x $(BIN)/python ] || "$(PYTHON)" -m venv $(VENV)
ifneq ($(TORCH_INDEX),)
	@echo "set-up 2/3: torch from $(TORCH_INDEX), then the other packages of requirements.lock (minutes)"
	@$(PIP) install --no-deps --index-url "$(TORCH_INDEX)" $$(grep -E '^(torch|torchvision)==' requirements.lock)
	@grep -vE '^(torch|torchvision|triton|nvidia-.*|cuda-.*)==' requirements.lock > $(VENV)/without-torch.txt
	@$(PIP) install -r $(VENV)/without-torch.txt
	@echo "$(TORCH_INDEX)" > $(VENV)/torch-index  # for the next set-up
else
	@echo "set-up 2/3: the packages of requirements.lock (minutes, the first time)"
	@$(PIP) install -r requirements.lock
endif
	@echo "set-up 3/3: ganbench itself"
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

# The report is written even if a run failed or another process trains it, but not after a mistake or Ctrl-C.
bench: $(STAMP)
	@$(BIN)/ganbench suite $(SUITE) --report $(if $(SEEDS),--seeds $(SEEDS)) $(if $(WORKERS),--workers $(WORKERS))

study: $(STAMP)
	@status=0; $(BIN)/ganbench study $(STUDY) $(if $(TRIALS),--trials $(TRIALS)) $(if $(WORKERS),--workers $(WORKERS)) || status=$$?; \
	if [ $$status -le 1 ]; then $(BIN)/ganbench report --suite $(STUDY); fi; \
	exit $$status

report: $(STAMP)
	@$(BIN)/ganbench report --suite $(SUITE)

ui: $(STAMP)
	@$(BIN)/ganbench ui --port $(PORT)

perf: $(STAMP)
	@$(BIN)/ganbench perf

# Strict: a dead link or an unknown reference fails the build.
docs: $(STAMP)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build
	@echo "documentation: build/site/index.html"

# Records missing runs first. With all runs recorded, it takes minutes.
pictures: $(STAMP)
	@$(BIN)/python docs/make_pictures.py $(if $(ONLY),--only '$(ONLY)')

check: lint format-check type

lint: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports
	@$(BIN)/python .ci/check_words.py

format: $(STAMP)
	@$(BIN)/ruff check --fix --exit-zero --quiet .
	@$(BIN)/ruff format .

format-check: $(STAMP)
	@$(BIN)/ruff format --check .

type: $(STAMP)
	@$(BIN)/mypy

test: $(STAMP)
	@$(BIN)/pytest -q -n 2 --dist loadfile

test-slow: $(STAMP)
	@$(BIN)/pytest -q -n 2 --dist loadfile -m slow

# pytest's status 5 means that no test is marked.
test-faults: $(STAMP)
	@status=0; $(BIN)/pytest -q -m faults || status=$$?; \
	if [ $$status -eq 5 ]; then echo "no test is marked faults"; else exit $$status; fi

# Looks up known vulnerabilities of the locked packages. Strict: a package that the advisory service does not know is a failure.
audit: $(STAMP)
	@$(BIN)/pip-audit --requirement requirements.lock --no-deps --disable-pip --strict

# Keeps locked versions that still fit. `make lock LOCK=--upgrade` upgrades all, `make lock LOCK="-P torch==2.14.1"` one package.
# Run it with Python 3.11 on Linux x86-64: the file is for that platform.
lock: $(STAMP)
	@CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
	  --no-emit-options --strip-extras --allow-unsafe --extra dev --extra docs --extra parallel --extra photo --extra postgresql --extra server $(LOCK) --output-file requirements.lock pyproject.toml

# Does not remove the environment, the runs and the tracking store.
clean:
	@rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find bench variants studies reports tests -name __pycache__ -type d -prune -exec rm -rf {} +
