# Everything for working on Duologue on one machine. `make` alone lists the targets.

PYTHON := .venv/bin/python
.DEFAULT_GOAL := help
.PHONY: help setup run demo stop test lint check routes reset

# What `make demo` is given; each may be left out.
export PROMPT VOICE_A VOICE_B IMAGE_A IMAGE_B BACKGROUND

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 10

setup:  ## bring what is missing: Python packages, the Firebase CLI, Java, FFmpeg, fonts, a browser for the tests
	@python3 -m local.setup

run: setup  ## start the whole cloud on this machine; Ctrl-C stops it and keeps its data
	@$(PYTHON) -m local.cloud run

demo: setup  ## start the cloud, make a video through its API, and leave it up (PROMPT= VOICE_A= VOICE_B= IMAGE_A= IMAGE_B= BACKGROUND=)
	@$(PYTHON) -m local.demo

stop: setup  ## stop the cloud that runs; its data are kept
	@$(PYTHON) -m local.background stop

test: setup  ## all tests, on the real parts; a cloud that make demo left up is stopped first
	@$(PYTHON) -m local.background make-way
	@$(PYTHON) -m pytest

lint: setup  ## format, lint and types
	@status=0; \
	$(PYTHON) -m ruff format --check . || status=1; \
	$(PYTHON) -m ruff check . || status=1; \
	$(PYTHON) -m mypy functions gpu_runner local tests bench || status=1; \
	exit $$status

check: lint  ## format, lint, types, and the tests that need no cloud
	@$(PYTHON) -m pytest -m "not cloud"

routes: setup  ## write firebase.json's rewrites and the API description from the route table
	@$(PYTHON) -m local.routes

reset: setup  ## forget the local cloud's data
	@$(PYTHON) -m local.cloud reset
