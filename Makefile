VENV ?= .venv
PYTHON ?= python3
ARGS ?=

PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo app test check lock

help:  ## Show these lines
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(STAMP)  ## Train and evaluate the embedded default, write report.html
	$(PY) -m sdexp.train

app: $(STAMP)  ## Try the runs of outputs/ in the browser; ARGS="port=8000"
	$(PY) -m sdexp.app $(ARGS)

# Two workers with a core each are faster than one with two.
test: $(STAMP)  ## Run the tests; ARGS="-m 'not slow'" for the quick ones
	OMP_NUM_THREADS=1 $(PY) -m pytest -n 2 --dist loadfile $(ARGS)

check: $(STAMP)  ## Lint, format, types, house rules
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m pytest tests/house --durations=0

lock:  ## Renew constraints.txt from what pyproject.toml allows today
	PYTHON=$(PYTHON) scripts/lock.sh

# The stamp is the last thing made: a broken installation starts again.
$(STAMP): constraints.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
