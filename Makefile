# Everything for working on Duologue on one machine. `make` alone lists the targets.

PYTHON := .venv/bin/python
.DEFAULT_GOAL := help
.PHONY: help setup run demo stop test test-f5 lint check deploy-check sbom routes reset

# What `make demo` is given; each may be left out.
export PROMPT VOICE_A VOICE_B IMAGE_A IMAGE_B BACKGROUND

help:  ## list the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 14

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
	@$(PYTHON) -m pytest -m "not deploy and not f5"

test-f5: setup  ## the runner's voice on the real F5-TTS, with tiny weights, on the processor; not in CI (2.4 GB more)
	@python3 -m local.setup --f5
	@$(PYTHON) -m pytest -m f5 tests/f5

lint: setup  ## format, lint and types
	@status=0; \
	$(PYTHON) -m ruff format --check . || status=1; \
	$(PYTHON) -m ruff check . || status=1; \
	$(PYTHON) -m mypy functions gpu_runner local tests bench || status=1; \
	exit $$status

check: lint  ## format, lint, types, and the tests that need no cloud
	@$(PYTHON) -m pytest -m "not cloud and not deploy and not f5"

deploy-check: setup  ## what can be proved of the deployment without an account: terraform, checkov, bills of materials
	@python3 -m local.setup --deploy
	@$(PYTHON) -m pytest -m deploy
	@sed -n '/^## What make deploy-check proves/,/^## The schemas/{/^## The schemas/!p;}' tests/terraform/README.md

sbom: setup  ## write what each deployment consists of into .local/sbom, as CycloneDX
	@python3 -m local.setup --deploy
	@$(PYTHON) -m local.bills_of_materials

routes: setup  ## write firebase.json's rewrites and the API description from the route table
	@$(PYTHON) -m local.routes

reset: setup  ## forget the local cloud's data
	@$(PYTHON) -m local.cloud reset
