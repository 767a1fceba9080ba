# What one can do here; `make help` lists it. Everything starts from a bare clone.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON := .venv/bin/python

.PHONY: help env data demo test check format proto check-proto lock clean

help: ## list these targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

env: ## make .venv from the hashed lock, Ratoon itself editable in it
	@scripts/env

data: env ## fetch and verify the mail corpus that the demo learns from
	@$(PYTHON) scripts/data.py

demo: data ## run the whole loop on real mail and report on it
	@.venv/bin/ratoon demo

test: data ## run all tests, fast tiers first (TIERS="unit contract", ARGS="-k word")
	@$(PYTHON) scripts/test.py $(TIERS) -- $(ARGS)

check: env ## format, lint, types, import layers, protos, lock, addresses
	@$(PYTHON) scripts/check.py

format: env ## rewrite the code as `make check` wants it
	@.venv/bin/ruff format -q .
	@.venv/bin/ruff check -q --fix .

proto: env ## generate libs/contracts from protos/
	@$(PYTHON) scripts/protos.py generate

check-proto: env ## stale generated code, proto lint, breaking changes since the last tag
	@$(PYTHON) scripts/protos.py check

bench-loop: data ## the loop, stage by stage: seconds, peak memory, overhead
bench-idle: env ## start-up time, memory and processor of idle services
bench-gateway: env ## requests and tokens a second through the gateway, beside vllm-router
bench-events: env ## commit to effect, embedded log and Kafka
bench-%:
	@$(PYTHON) $(wildcard bench/$*.py bench/$*/run.py) $(ARGS)

lock: env ## resolve requirements/ratoon.in again (ARGS=--upgrade takes the newest)
	@scripts/lock $(ARGS)

clean: ## remove what was made, except data and state
	@rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
