# What a person types. Each target sets up what it needs; `dvc` itself is in .venv/bin.

PYTHON ?= python3 python3.13 python3.12 python3.11 python
export PATH := $(CURDIR)/.venv/bin:$(PATH)
INSTALL = python -m pip install --quiet --disable-pip-version-check --require-hashes

.PHONY: repro test lint plots

repro: .venv/run.done  ## run what is not up to date, from the zip to the plots
	@python -m dvc repro

plots: repro  ## the same, then make the page of plots
	@python -m dvc plots show

test: .venv/dev.done
	@python -m pytest

lint: .venv/dev.done
	@python -m ruff check .
	@python -m ruff format --check .
	@python -m mypy

.venv/run.done .venv/dev.done: .venv/%.done: lock/%.txt | .venv/bin/python
	@echo "Installing $< into .venv: about 1 GB to fetch, once"
	@$(INSTALL) -r $<
	@touch $@

.venv/bin/python:
	@for python in $(PYTHON); do \
	    if "$$python" -c 'import sys, venv, ensurepip; \
	        sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; \
	    then "$$python" -m venv --clear .venv; exit; fi; \
	done; \
	echo "No Python 3.11, 3.12 or 3.13 with venv among: $(PYTHON)." \
	    "Install one, or name it: make repro PYTHON=/path/to/python3.12" >&2; \
	exit 1
