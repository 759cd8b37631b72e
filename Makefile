# `make` lists what there is. Nothing else needs to be memorised.
#
# PYTHON       the interpreter the environment is made with (3.11 or later)
# HOST, PORT   where `make serve` listens; 127.0.0.1 and 8000 unless said otherwise. Another HOST needs accounts:
#              PNEUMONIA_ACCOUNTS=required HOST=0.0.0.0 make serve
# TORCH_INDEX  take torch and torchvision from this package index, for instance
#              https://download.pytorch.org/whl/cpu on a machine without a GPU (a fifth of the size)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input
RUNTIME := $(VENV)/.requirements.stamp
DEVELOPMENT := $(VENV)/.requirements-dev.stamp

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup serve test lint types unit quick bench format clean

help: ## List the targets
	@echo "Usage: make TARGET [PYTHON=python3.12] [PORT=8000]"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(RUNTIME) ## Make .venv and install what serving and training need

serve: $(RUNTIME) ## Run the web app on http://127.0.0.1:8000
	exec $(BIN)/gunicorn --config gunicorn.conf.py wsgi:app

test: lint types unit ## Check everything: style, import contracts, types, Dockerfile, tests

lint: $(DEVELOPMENT) ## Check style, formatting, import contracts and the Dockerfile
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache --no-logo
	$(BIN)/hadolint Dockerfile

types: $(DEVELOPMENT) ## Check the types of our packages
	$(BIN)/mypy

# pneumonia/server runs in gunicorn's own processes, which coverage does not see: tests/server meets it by sockets.
unit: $(DEVELOPMENT) ## Run the tests, on two cores, and measure what they cover
	$(BIN)/python -m pytest -n 2 --dist worksteal --cov --cov-report=
	$(BIN)/coverage report --include='pneumonia/*' --omit='pneumonia/server/*' --fail-under=95 | tail -n 1
	$(BIN)/coverage report --include='train/*' --fail-under=90 | tail -n 1

quick: $(DEVELOPMENT) ## Run the tests that take seconds: a first answer in under a minute
	$(BIN)/python -m pytest -n 2 -q -m "not real and not browser" tests/imaging tests/records tests/test_budget.py \
	  tests/train/data tests/train/recipes tests/train/test_metrics.py tests/train/test_estimates.py

bench: $(RUNTIME) ## Measure a request, the map and a step of training beside references
	$(BIN)/python -m benchmarks

format: $(DEVELOPMENT) ## Put the code into its one format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## Remove the environment and the caches (readings in var/ stay)
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Python 3.11 or later is needed; $(PYTHON) is $$($(PYTHON) --version 2>/dev/null || echo missing)." >&2; \
	  echo "Name another one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "The environment could not be made. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

$(RUNTIME): requirements.txt | $(VENV)/bin/python
	@echo "Installing what the app needs into $(VENV); the first time this takes some minutes."
	$(if $(TORCH_INDEX),grep -E '^torch' requirements.txt > $(VENV)/torch.txt)
	$(if $(TORCH_INDEX),$(PIP) --index-url $(TORCH_INDEX) -r $(VENV)/torch.txt)
	$(PIP) -r requirements.txt
	@$(BIN)/python -c 'import cv2' || { \
	  echo "OpenCV lacks a system library. On Debian and Ubuntu: apt install libgl1 libglib2.0-0 libxcb1" >&2; exit 1; }
	@touch $@

$(DEVELOPMENT): requirements-dev.txt requirements-research.txt $(RUNTIME)
	@echo "Installing what the tests need into $(VENV)."
	$(PIP) -r requirements-dev.txt
	@touch $@
