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
# A lock names every package, to the version: pip has nothing to choose and takes nothing else.
LOCKED := $(PIP) --require-hashes --no-deps
RUNTIME := $(VENV)/.requirements.stamp
DEVELOPMENT := $(VENV)/.requirements-dev.stamp

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup serve test lint types unit quick bench hostile fuzz kills lock messages sbom audit format clean

help: ## List the targets
	@echo "Usage: make TARGET [PYTHON=python3.12] [PORT=8000]"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(RUNTIME) ## Make .venv and install what serving and training need

serve: $(RUNTIME) ## Run the web app on http://127.0.0.1:8000
	exec $(BIN)/gunicorn --config gunicorn.conf.py wsgi:app

test: lint types unit ## Check everything: style, import contracts, types, Dockerfile, tests

lint: $(DEVELOPMENT) ## Check style, formatting, import contracts, what is dangerous, and the Dockerfile
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache --no-logo
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive pneumonia train app.py wsgi.py gunicorn.conf.py
	$(BIN)/hadolint Dockerfile

types: $(DEVELOPMENT) ## Check the types of our packages
	$(BIN)/mypy

# Each of the two workers computes on a core of its own; left alone, both would take all of them.
unit quick: export OMP_NUM_THREADS := 1
unit: $(DEVELOPMENT) ## Run the tests, on two cores, and measure what they cover
	$(BIN)/python -m pytest -n 2 --dist worksteal --cov --cov-report=
	$(BIN)/coverage report --include='pneumonia/*' --fail-under=95 | tail -n 1
	$(BIN)/coverage report --include='train/*' --fail-under=90 | tail -n 1

quick: $(DEVELOPMENT) ## Run the tests that take seconds: a first answer in under a minute
	$(BIN)/python -m pytest -n 2 -q -m "not real and not browser" tests/imaging tests/records tests/test_budget.py \
	  tests/train/data tests/train/recipes tests/train/test_metrics.py tests/train/test_estimates.py

bench: $(RUNTIME) ## Measure a request, the map and a step of training beside references
	$(BIN)/python -m benchmarks

# uv resolves for every platform and Python at once, and keeps what is locked unless a range forbids it
# or UPGRADE=--upgrade says so. torch and its CUDA set go apart: TORCH_INDEX has a build of its own.
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-annotate --custom-compile-command "make lock" $(UPGRADE)
TORCH := ^(torch|torchvision|triton|nvidia-[a-z0-9-]+|cuda-[a-z0-9-]+)==
APART := awk '/^[a-z0-9]/ {apart = ($$0 ~ "$(TORCH)") == want} !/^[a-z0-9 ]/ {apart = 1} apart'

lock: | $(VENV)/bin/python ## Pin every dependency with its hashes (UPGRADE=--upgrade takes the newest)
	@command -v $(BIN)/uv >/dev/null || $(PIP) "$$(grep ^uv requirements-dev.txt)"
	@cat requirements-torch.lock requirements-dev.lock > $(VENV)/all.lock 2>/dev/null || true
	$(COMPILE) -o $(VENV)/all.lock requirements-dev.txt
	$(COMPILE) -o $(VENV)/app.lock -c $(VENV)/all.lock requirements.txt
	@$(APART) want=1 $(VENV)/app.lock > requirements-torch.lock
	@$(APART) want=0 $(VENV)/app.lock > requirements.lock
	@$(APART) want=0 $(VENV)/all.lock > requirements-dev.lock

# The catalogues are committed as they are read (.mo) too: a clone serves every language as it is.
BABEL = $(BIN)/python -m babel.messages.frontend
messages: $(RUNTIME) ## Bring the catalogues in translations/ up to date with the texts
	$(BABEL) --quiet extract -F translations/babel.cfg -k lazy_gettext --omit-header --add-location=file \
	  --width=100 -o translations/messages.pot .
	$(BABEL) --quiet update --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date --width=100 \
	  -i translations/messages.pot -d translations
	$(BABEL) --quiet compile -d translations

sbom: $(DEVELOPMENT) ## Write sbom.json: what the app is made of, as CycloneDX
	cat requirements-torch.lock requirements.lock | $(BIN)/cyclonedx-py requirements --output-reproducible \
	  --pyproject pyproject.toml --mc-type application --of JSON -o sbom.json -

audit: $(DEVELOPMENT) ## Look up known vulnerabilities of what is locked (needs the network)
	$(BIN)/pip-audit --require-hashes --disable-pip --strict \
	  -r requirements-torch.lock -r requirements-dev.lock

hostile: $(DEVELOPMENT) ## Send three thousand hostile files to the server (HOSTILE_SEED=n: others)
	HOSTILE=3000 $(BIN)/python -m pytest -q -s tests/hostile/test_corpus.py

FUZZ_S ?= 300
fuzz: $(DEVELOPMENT) ## Fuzz the decoder, guided by coverage, for FUZZ_S seconds (300)
	$(PIP) -r requirements-fuzz.txt
	@mkdir -p var/fuzz/corpus
	$(BIN)/python -m tests.hostile.fuzz var/fuzz/corpus -max_total_time=$(FUZZ_S) -artifact_prefix=var/fuzz/

kills: $(DEVELOPMENT) ## Kill the server under load a hundred times; nothing acknowledged may be lost
	KILLS=100 $(BIN)/python -m pytest -q -s tests/server/test_kills.py

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

$(RUNTIME): requirements.lock requirements-torch.lock | $(VENV)/bin/python
	@echo "Installing what the app needs into $(VENV); the first time this takes some minutes."
	$(if $(TORCH_INDEX),grep -oE '^torch(vision)?==[^ ;]+' requirements-torch.lock > $(VENV)/torch.txt)
	$(if $(TORCH_INDEX),$(PIP) --no-deps --index-url $(TORCH_INDEX) -r $(VENV)/torch.txt)
	$(LOCKED) $(if $(TORCH_INDEX),,-r requirements-torch.lock) -r requirements.lock
	@$(BIN)/python -c 'import cv2' || { \
	  echo "OpenCV lacks a system library. On Debian and Ubuntu: apt install libgl1 libglib2.0-0 libxcb1" >&2; exit 1; }
	@touch $@

$(DEVELOPMENT): requirements-dev.lock $(RUNTIME)
	@echo "Installing what the tests need into $(VENV)."
	$(LOCKED) -r requirements-dev.lock
	@touch $@
