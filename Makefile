# What a person types. Each target sets up what it needs; `dvc` itself is in .venv/bin.

SHELL := bash
PYTHON ?= python3 python3.13 python3.12 python3.11 python
export PATH := $(CURDIR)/.venv/bin:$(PATH)
AGAINST ?= main
# One process more than there are cores, since a test often waits.
PYTEST = python -m pytest --dist=worksteal \
    --numprocesses=$$(python -c 'import os; print(min(4, os.cpu_count() + 1))')
COMPILE = python -m uv pip compile pyproject.toml --quiet --universal --fork-strategy fewest \
    --python-version 3.11 --extra pipeline --generate-hashes --no-emit-index-url --custom-compile-command "make lock"

.PHONY: help repro plots report tutorial search backtest bench test test-all test-slow lint format verify page screenshots audit lock clean

help:    ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

repro: .venv/run.done    ## run what is not up to date, from the zip to the plots
	@python -m dvc repro || { python -m household.mend && python -m dvc repro; }

plots: repro    ## the same, then make the page of plots
	@python -m dvc plots show

report: .venv/run.done    ## print as Markdown what differs from AGAINST=main, and the report
	@printf '# What differs from %s\n\n' "$(AGAINST)"
	@python -m dvc params diff --md --no-path "$(AGAINST)"
	@python -m dvc metrics diff --md --no-path "$(AGAINST)"
	@cat reports/report.md

tutorial: .venv/run.done    ## the Keras tutorial's method, as an experiment beside the defaults
	@python -m dvc exp remove --quiet tutorial 2>/dev/null || true
	@sed '/^#/d' tutorial.txt | sed '/./s/^/--set-param=/' | \
	    xargs python -m dvc exp run --temp --name tutorial
	@python -m dvc exp show --no-pager --only-changed --drop \
	    '.*/|.*mase|persist|window|day|linear|verdict|interval|split|train|plot|State|Executor|Created'

search: .venv/search.done    ## try parameters of train by Optuna; TRIALS=20 WORKERS=1 SPACE=<key=values ...>
	@python -m dvc repro split
	@python -m household.search --trials $(or $(TRIALS),20) --workers $(or $(WORKERS),1) $(SPACE)

backtest: .venv/run.done    ## train up to each of five cuts, test on what comes after; SOURCE=<zip>
	@python -m bench.backtest $(if $(SOURCE),--set-param fetch.source=$(SOURCE))

bench: .venv/peers.done repro    ## measure against the tutorial, PyTorch, Darts and LightGBM; SOURCE=<zip>
	@python -m bench.data_path
	@python -m bench.training $(if $(SOURCE),--set-param fetch.source=$(SOURCE))
	@python -m bench.prediction
	@python -m bench.pipeline
	@python -m bench.pipeline --name four_years --repeat 1 \
	    --set-param fetch.sample.days=1441.152 --set-param train.epochs=3

test: .venv/dev.done    ## run the tests of a change, in four minutes
	@$(PYTEST) -m 'not slow'

test-all: .venv/dev.done    ## run all tests, in ten minutes
	@$(PYTEST)

test-slow: .venv/dev.done    ## run what test-all has and test has not
	@$(PYTEST) -m slow

lint: .venv/dev.done    ## check style and types
	@python -m ruff check .
	@python -m ruff format --check .
	@python -m mypy

format: .venv/dev.done    ## rewrite the code in the common style
	@python -m ruff check --fix .
	@python -m ruff format .

verify: .venv/run.done    ## reproduce everything from nothing and compare it with dvc.lock
	@python -m tests.verify

page: .venv/dev.done    ## renew .dvc/report.html, the page of plots, after a change of what is in it
	@python -m household.report.page

screenshots: .venv/dev.done repro tutorial    ## renew the pictures of the page in docs/
	@python -m tests.screenshots

audit: .venv/dev.done    ## look up the locked packages in the list of known weaknesses; needs a network
	@python -m pip_audit --disable-pip --require-hashes --progress-spinner off \
	    $(foreach lock,run cluster dev gpu s3 search trees,-r lock/$(lock).txt)

lock: .venv/dev.done    ## renew lock/ after a change of the dependencies; UPGRADE=1 takes newer ones
	@$(COMPILE) $(if $(UPGRADE),--upgrade) -o lock/run.txt
	@$(COMPILE) $(if $(UPGRADE),--upgrade) -c lock/run.txt --extra dev -o lock/dev.txt
	@$(COMPILE) $(if $(UPGRADE),--upgrade) -c lock/dev.txt --extra dev --extra fuzz -o lock/fuzz.txt
	@$(COMPILE) $(if $(UPGRADE),--upgrade) -c lock/dev.txt --extra cluster -o lock/cluster.txt
	@$(COMPILE) $(if $(UPGRADE),--upgrade) -c lock/run.txt --extra gpu -o lock/gpu.txt
	@$(COMPILE) $(if $(UPGRADE),--upgrade) -c lock/dev.txt --extra peers -o lock/peers.txt
	@$(COMPILE) $(if $(UPGRADE),--upgrade) -c lock/dev.txt --extra s3 -o lock/s3.txt
	@$(COMPILE) $(if $(UPGRADE),--upgrade) -c lock/dev.txt --extra search -o lock/search.txt
	@$(COMPILE) $(if $(UPGRADE),--upgrade) -c lock/dev.txt --extra trees -o lock/trees.txt

clean:    ## remove the environment and what tools left; keeps data, models, reports and the cache
	@rm -rf .venv .hypothesis .mypy_cache .pytest_cache .ruff_cache dvc_plots
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/run.done .venv/dev.done .venv/peers.done .venv/search.done: .venv/%.done: lock/%.txt | .venv/bin/python
	@set -o pipefail; total=$$(grep -c '^[^ #].*==' $<); \
	echo "Installing the packages of $< into .venv, about 1 GB to fetch, once:"; \
	python -m pip install --disable-pip-version-check --require-hashes -r $< 2>&1 | \
	awk -v total=$$total '/ERROR/ {failed = 1} failed {print > "/dev/stderr"} \
	    /^(Collecting|Processing|Requirement)/ {printf "  %d of %d  %s\n", ++n, total, $$2} \
	    /^Installing collected/ {print "  unpacking them, half a minute"} {fflush()}'
	@touch $@

.venv/bin/python:
	@git rev-parse --git-dir > /dev/null 2>&1 || { \
	    echo "This folder is no git repository, which DVC needs. Clone it with git," \
	        "or run: git init && git add --all && git commit --message start" >&2; exit 1; }
	@for python in $(PYTHON); do \
	    if "$$python" -c 'import sys, venv, ensurepip; \
	        sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; \
	    then "$$python" -m venv --clear .venv; exit; fi; \
	done; \
	echo "No Python 3.11, 3.12 or 3.13 with venv among: $(PYTHON)." \
	    "Install one, or name it: make repro PYTHON=/path/to/python3.12" >&2; \
	exit 1
