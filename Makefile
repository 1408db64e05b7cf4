# Commands for people. Each target sets up what it needs; `dvc` is in .venv/bin.

SHELL := bash
PYTHON ?= python3 python3.13 python3.12 python3.11 python
export PATH := $(CURDIR)/.venv/bin:$(PATH)
AGAINST ?= main
# One process more than cores, since a test often waits.
PYTEST = python -m pytest --dist=worksteal \
    --numprocesses=$$(python -c 'import os; print(min(4, os.cpu_count() + 1))')
COMPILE = python -m uv pip compile pyproject.toml --quiet --universal --fork-strategy fewest \
    --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock" \
    $(if $(UPGRADE),--upgrade)

# The settings of a recipe, for `dvc exp run`.
settings = sed -nE 's/^([a-z_.]+): (.*)$$/--set-param=\1=\2/p' recipes/$(1).yaml

.PHONY: help repro plots report docs tutorial recipe search backtest bench test test-all test-slow lint format verify report-template screenshots audit lock clean

help:    ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

repro: .venv/run.done    ## run all stages that are not up to date
	@python -m dvc repro || { python -m household repair && python -m dvc repro; }

plots: repro    ## run all stages, then write the page of plots
	@python -m dvc plots show

report: .venv/run.done    ## print the differences from AGAINST=main and the report as Markdown
	@printf '# Differences from %s\n\n' "$(AGAINST)"
	@python -m dvc params diff --md --no-path "$(AGAINST)"
	@python -m dvc metrics diff --md --no-path "$(AGAINST)"
	@cat reports/report.md

tutorial: .venv/run.done    ## run the tutorial's method as an experiment and compare it
	@python -m dvc exp remove --quiet tutorial 2>/dev/null || true
	@$(call settings,tutorial) | xargs python -m dvc exp run --temp --name tutorial
	@python -m dvc exp show --no-pager --only-changed --drop \
	    '.*/|.*mase|persist|window|day|week|profile|linear|verdict|distri|interval|.*crps|split|scaling|train|plot|State|Executor|Created'

recipe: .venv/run.done    ## forecast an hour, a day or a week ahead, as an experiment; NAME=day_ahead SOURCE=<path>
	@{ $(call settings,$(or $(NAME),day_ahead)); printf '%s\n' --name=$(or $(NAME),day_ahead) \
	    $(if $(SOURCE),--set-param=fetch.source=$(SOURCE)) $(SET:%=--set-param=%); } | \
	    tr '\n' '\0' | xargs -0 python -m dvc exp run --temp --force

search: .venv/search.done    ## search for better parameters of train; TRIALS=20 WORKERS=1 SPACE=<key=values ...>
	@python -m dvc repro split
	@python -m household search --trials $(or $(TRIALS),20) --workers $(or $(WORKERS),1) $(SPACE)

backtest: .venv/run.done    ## train up to five points in time and test on what follows; SOURCE=<zip> NAME=day_ahead
	@python -m bench.backtest $(if $(NAME),--recipe $(NAME)) \
	    $(if $(SOURCE),--set-param fetch.source=$(SOURCE)) $(SET:%=--set-param %)

bench: .venv/peers.done repro    ## compare the speed with other ways and libraries; SOURCE=<zip>
	@python -m bench.data_path
	@python -m bench.training $(if $(SOURCE),--set-param fetch.source=$(SOURCE))
	@python -m bench.prediction
	@python -m bench.pipeline
	@python -m bench.pipeline --name four_years --repeat 1 \
	    --set-param fetch.sample.days=1441.152 --set-param train.epochs=3

docs: .venv/docs.done repro    ## build the docs, with the report of the sample, and serve them
	@python -m dvc plots show > /dev/null
	@NO_MKDOCS_2_WARNING=1 python -m mkdocs build --quiet
	@$(if $(CI),,python -m http.server 8000 --bind 127.0.0.1 --directory site)

test: .venv/dev.done    ## run the fast tests, in four minutes
	@$(PYTEST) -m 'not slow'

test-all: .venv/dev.done    ## run all tests, in ten minutes
	@$(PYTEST)

test-slow: .venv/dev.done    ## run only the slow tests
	@$(PYTEST) -m slow

lint: .venv/dev.done    ## check style, types, spelling and links
	@python -m ruff check .
	@python -m ruff format --check .
	@python -m mypy
	@for system in win32 darwin; do python -m mypy --platform $$system household stages || exit; done
	@git ls-files -z | xargs --null python -m codespell_lib
	@python -m tests.links

format: .venv/dev.done    ## rewrite the code in the common style
	@python -m ruff check --fix .
	@python -m ruff format .

verify: .venv/run.done    ## reproduce everything from scratch and compare it with dvc.lock
	@python -m tests.verify

report-template: .venv/dev.done    ## rewrite .dvc/report.html, the template of the page, after a change of its parts
	@python -m household.report.page

screenshots: .venv/dev.done repro tutorial    ## renew the pictures in docs/
	@python -m tests.screenshots

audit: .venv/dev.done    ## check the locked packages for known vulnerabilities; needs a network
	@python -m pip_audit --disable-pip --require-hashes --progress-spinner off \
	    $(foreach lock,run cluster dev docs excel gpu holidays s3 search trees,-r lock/$(lock).txt)

lock: .venv/dev.done    ## renew lock/ after a change of dependencies; UPGRADE=1 takes newer versions
	@$(COMPILE) --extra pipeline -o lock/run.txt
	@$(COMPILE) -c lock/run.txt --extra pipeline --extra gpu -o lock/gpu.txt
	@$(COMPILE) -c lock/run.txt --extra predict -o lock/predict.txt
	@$(COMPILE) -c lock/run.txt --extra pipeline --extra dev -o lock/dev.txt
	@$(COMPILE) -c lock/dev.txt --extra pipeline --extra dev --extra fuzz -o lock/fuzz.txt
	@for extra in cluster docs excel holidays peers s3 search trees; do \
	    $(COMPILE) -c lock/dev.txt --extra pipeline --extra $$extra -o lock/$$extra.txt || exit; \
	done

clean:    ## remove the environment and the files of tools; keep data, models, reports, cache
	@rm -rf .venv .hypothesis .mypy_cache .pytest_cache .ruff_cache dvc_plots site
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/run.done .venv/dev.done .venv/docs.done .venv/peers.done .venv/search.done: .venv/%.done: lock/%.txt | .venv/bin/python
	@set -o pipefail; total=$$(grep -c '^[^ #].*==' $<); \
	echo "Installing the packages of $< into .venv, about 1 GB to fetch, once:"; \
	python -m pip install --disable-pip-version-check --require-hashes -r $< 2>&1 | \
	awk -v total=$$total '/ERROR/ {failed = 1} failed {print > "/dev/stderr"} \
	    /^(Collecting|Processing|Requirement)/ {printf "  %d of %d  %s\n", ++n, total, $$2} \
	    /^Installing collected/ {print "  unpacking them, half a minute"} {fflush()}'
	@python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.venv/bin/python:
	@git rev-parse --git-dir > /dev/null 2>&1 || { \
	    echo "This folder is not a git repository, which DVC needs. Clone it with git," \
	        "or run: git init && git add --all && git commit --message start" >&2; exit 1; }
	@for python in $(PYTHON); do \
	    if "$$python" -c 'import sys, venv, ensurepip; \
	        sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; \
	    then "$$python" -m venv --clear .venv; exit; fi; \
	done; \
	echo "No Python 3.11, 3.12 or 3.13 with venv among: $(PYTHON)." \
	    "Install one, or name it: make repro PYTHON=/path/to/python3.12" >&2; \
	exit 1
