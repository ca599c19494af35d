# Everything for working on Duologue on one machine. `make` alone lists the targets.

PYTHON := .venv/bin/python
.DEFAULT_GOAL := help
.PHONY: help setup run demo stop test test-faults test-attacks test-kill test-load test-mutants soak test-f5 lint check
.PHONY: reconcile retry rotate-jwt-key deploy-check bench sbom routes reset

# What takes long, or needs more than `make setup` brings, has a command of its own.
ON_DEMAND := deploy or f5 or kill or load or soak or mutants

# What `make demo` is given; each may be left out.
export PROMPT VOICE_A VOICE_B IMAGE_A IMAGE_B BACKGROUND
# What the operators' commands are given.
export PROJECT DRY_RUN JOB
export SOAK_MINUTES

help:  ## list the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 16

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
	@$(PYTHON) -m pytest -m "not ($(ON_DEMAND))"

test-faults: setup  ## every crash point, order and race of a job, enumerated; part of make test
	@$(PYTHON) -m pytest -m "faults and not ($(ON_DEMAND))"

test-attacks: setup  ## what strangers try, by docs/security.md; part of make test
	@$(PYTHON) -m pytest -m "attacks and not cloud"

test-kill: setup  ## twenty renders whose runner is killed, and the functions too; not in CI
	@$(PYTHON) -m local.background make-way
	@$(PYTHON) -m pytest -m kill -s tests/faults

test-load: setup  ## two hundred users who start a video within a minute; not in CI
	@$(PYTHON) -m local.background make-way
	@$(PYTHON) -m pytest -m load -s tests/faults

test-mutants: setup  ## planted defects, each of which some test must catch; not in CI
	@$(PYTHON) -m pytest -m mutants -s tests/faults

soak: setup  ## mixed use with faults for SOAK_MINUTES (30): nothing is lost and no memory grows; not in CI
	@$(PYTHON) -m local.background make-way
	@$(PYTHON) -m pytest -m soak -s tests/faults

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
	@$(PYTHON) -m pytest -m "not (cloud or faults or $(ON_DEMAND))"

reconcile: setup  ## hold every user's balance against the ledger and the jobs, and repair what is certain (PROJECT= DRY_RUN=1)
	@$(PYTHON) -m local.reconcile

retry: setup  ## make a video again whose attempts were used up (JOB= PROJECT=)
	@$(PYTHON) -m local.retry

rotate-jwt-key: setup  ## prepare the next key of session tokens (PROJECT=)
	@$(PYTHON) -m local.rotate_jwt_key

deploy-check: setup  ## what can be proved of the deployment without an account: terraform, checkov, bills of materials
	@python3 -m local.setup --deploy
	@$(PYTHON) -m pytest -m deploy
	@sed -n '/^## What make deploy-check proves/,/^## The schemas/{/^## The schemas/!p;}' tests/terraform/README.md

bench: setup  ## measure everything against its floors and peers, and write docs/performance.md; an hour on a quiet machine (ONLY=job)
	@$(PYTHON) -m local.background make-way
	@$(PYTHON) -m bench $(ONLY)

sbom: setup  ## write what each deployment consists of into .local/sbom, as CycloneDX
	@python3 -m local.setup --deploy
	@$(PYTHON) -m local.bills_of_materials

routes: setup  ## write the rewrites, the functions' manifest and the API description from the code
	@$(PYTHON) -m local.routes

reset: setup  ## forget the local cloud's data
	@$(PYTHON) -m local.cloud reset
