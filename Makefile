# Thin on purpose: each target is one command that a person could type.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
ONCE ?=
# tests wait for processes that they started: two workers more than there are processors, four at most
WORKERS ?= $(shell n=$$(nproc); echo $$((n < 2 ? n + 2 : 4)))

.PHONY: help install run test lint docs bench soak packages clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(BIN)/magbroker: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.test: $(BIN)/magbroker
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

install: $(BIN)/magbroker  ## make .venv with the magbroker command in it

run: install  ## start everything with the demo site and send real images through (ONCE=1 stops after the table)
	$(BIN)/magbroker up --demo $(if $(ONCE),--once) $(ARGS)

packages:
	@sh tests/packages.sh

test: $(VENV)/.test packages lint  ## run every test, side by side (Debian packages are installed when run as root)
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal $(ARGS)

lint: $(VENV)/.test  ## ruff, mypy --strict, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.test  ## build the documentation site into build/site (a warning is an error)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

bench: $(VENV)/.test packages  ## print every timing and ratio
	$(BIN)/python -m bench $(ARGS)

soak: $(VENV)/.test packages  ## the large numbers: kills, fuzzing, floods (at most 80 minutes)
	MAGBROKER_TEST_REQUESTS=1000 $(BIN)/python -m pytest tests/soak tests/integration/web/test_described_api.py \
		-p no:cacheprovider --timeout=0 $(ARGS)

clean:  ## remove what was built and what the demo stored
	rm -rf $(VENV) var build dist *.egg-info
