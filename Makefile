# Everything a newcomer types. Each target sets up what it needs; nothing has to be installed by hand but Python
# (and Go for the real peers that `make test` runs against).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := instrumentation exporters dashboards alerts compose
CODE := $(PACKAGES) tests benchmarks examples tools
# What a requirements file asks for, and this checkout: pip says nothing for the minutes that it takes, so we do.
define install
	@echo "setup   installing requirements/$(1).txt into $(VENV): some minutes where the network is slow"; \
	started=$$(date +%s); \
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements/$(1).txt && \
	$(BIN)/pip install -q --disable-pip-version-check --no-deps -e . && \
	echo "setup   $(VENV) ready in $$(($$(date +%s) - started)) s ($$($(BIN)/pip list --format=freeze 2>/dev/null | wc -l) packages, $$(du -sm $(VENV) | cut -f1) MB)"
endef
# Python in the environment of requirements/environments/frameworks.txt, with the packages of this checkout.
WITH_FRAMEWORKS = environment=$$($(BIN)/python tools/environments.py frameworks) && \
	  PYTHONPATH=$(subst $() ,:,$(PACKAGES:%=$(CURDIR)/%)) $$environment/bin/python

# A worker has whole files, whose tests share what they start, in the order that tests/conftest.py gives them.
BY_FILE := --dist loadfile --no-loadscope-reorder

# Images of Python often set it; without compiled files each process of a test compiles everything anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fast coverage test-frameworks test-servers engines-live test-stack faults check format generate tools mutants bench bench-gpu lock clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

setup: $(VENV)/.dev ## Make .venv with everything that tests need

demo: $(VENV)/.demo ## Real requests through real models; ends with where their time and money went
	@$(BIN)/inferometer demo --for 60s --fault errors

test: $(VENV)/.dev tools ## Every test that needs no root, the fast ones first, against real peers, frameworks and servers
	$(BIN)/python -m pytest -n 3 -m "not slow and not peers and not processes"
	$(BIN)/python -m pytest -n 3 $(BY_FILE) -m "processes and not slow and not peers"
	tools/debian.sh chromium=chromium
	$(BIN)/python -m pytest -n 2 $(BY_FILE) -m "(slow or peers) and not alone" --durations 12
	$(BIN)/python -m pytest -m "alone"
	$(MAKE) --no-print-directory test-frameworks test-servers

coverage: $(VENV)/.dev ## Which lines the fast tests run
	rm -f .coverage .coverage.*
	$(BIN)/coverage run -m pytest -m "not slow and not peers"
	$(BIN)/coverage combine -q
	$(BIN)/coverage report

test-fast: $(VENV)/.dev ## The inner loop: a minute or so; no peers, no processes, no broad matrices
	$(BIN)/python -m pytest -q -n 3 --hypothesis-profile=inner -m "not slow and not peers and not processes and not broad"

test-frameworks: $(VENV)/.dev ## A part of `make test`: hooks of the heavy frameworks, in a cached environment of their own
	$(WITH_FRAMEWORKS) -m pytest tests/frameworks

test-servers: $(VENV)/.dev ## A part of `make test`: the heavy model servers, each in a cached environment of its own
	$(BIN)/python -m pytest tests/servers

engines-live: $(VENV)/.dev ## Pages of Triton, TorchServe, Dynamo and vLLM under a known load (needs Java; gigabytes once)
	$(BIN)/python -m pytest tests/servers/live

test-stack: $(VENV)/.dev tools ## `docker compose up` for real, in a Docker engine of its own; needs root
	tools/debian.sh dockerd=docker.io debootstrap=debootstrap iptables=iptables
	$(BIN)/python -m pytest -s tests/stack --timeout 1200

check: $(VENV)/.dev ## Style, types, layers, generated files
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/inferometer generate --config examples/fleet.yaml --out compose/config --check
	$(BIN)/inferometer generate --config examples/kubernetes/fleet.yaml --out examples/kubernetes/generated --kubernetes --check
	$(BIN)/python -m inferometer.catalog --check README.md docs/series.md
	$(BIN)/python -m inferometer.settings_table --check docs/settings.md
	$(BIN)/python -m inferometer.fleet.price_table --check docs/prices.md
	$(BIN)/python -m inferometer.fleet.default_prices --check
	$(BIN)/python -m inferometer.fleet.engines.coverage --check docs/engines.md
	$(BIN)/python -m inferometer_dashboards.board_tables --check docs/boards.md

format: $(VENV)/.dev ## Let ruff format and mend what it can
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

generate: $(VENV)/.dev ## Write every generated file; changes nothing on a clean checkout
	$(BIN)/inferometer generate --config examples/fleet.yaml --out compose/config
	$(BIN)/inferometer generate --config examples/kubernetes/fleet.yaml --out examples/kubernetes/generated --kubernetes
	$(BIN)/python -m inferometer.settings_table docs/settings.md
	$(BIN)/python -m inferometer.fleet.price_table docs/prices.md
	$(BIN)/python -m inferometer.fleet.default_prices
	$(BIN)/python -m inferometer.fleet.engines.coverage docs/engines.md
	$(BIN)/python -m inferometer_dashboards.board_tables docs/boards.md
	$(BIN)/python -m inferometer.catalog README.md docs/series.md

tools: $(VENV)/.dev ## Build the real peers into .tools/bin, those that are missing
	@tools/build.sh --missing
	@$(BIN)/python tools/schemas.py

faults: $(VENV)/.dev tools ## Every trial of reliability, and the table of what held
	$(BIN)/python tests/faults/table.py

mutants: $(VENV)/.dev tools ## Rules made wrong on purpose: how many of them the generated proofs find out
	PYTHONPATH=tools $(BIN)/python -m mutants

bench: $(VENV)/.dev tools ## Every benchmark; each prints ratios against a peer in the same run
	$(BIN)/python benchmarks/overhead.py
	$(BIN)/python benchmarks/pauses.py
	$(BIN)/python benchmarks/footprint.py
	$(BIN)/python benchmarks/grpc_calls.py
	$(BIN)/python benchmarks/streaming.py
	$(BIN)/python benchmarks/encode.py
	$(BIN)/python benchmarks/render.py
	$(BIN)/python benchmarks/sidecar.py
	$(BIN)/python benchmarks/nvml.py
	$(BIN)/python benchmarks/attribution.py
	$(BIN)/python benchmarks/recorder.py
	$(BIN)/python benchmarks/live_page.py
	$(BIN)/python benchmarks/engines.py
	$(BIN)/python benchmarks/false_pages.py
	$(BIN)/python benchmarks/slo_detection.py
	$(BIN)/python benchmarks/slo_evaluation.py
	$(BIN)/python benchmarks/sizing.py

bench-gpu: $(VENV)/.dev ## On a GPU: execute times, readings, energy and ledger against the truth; says so where there is none
	$(WITH_FRAMEWORKS) benchmarks/gpu_execute.py
	environment=$$($(BIN)/python tools/environments.py frameworks) && \
	  $(BIN)/python benchmarks/gpu_sidecar.py --torch-python $$environment/bin/python

lock: $(VENV)/.dev ## Renew the locked versions in requirements/
	$(BIN)/uv pip compile -q --upgrade --generate-hashes --no-header --extra demo -o requirements/demo.txt pyproject.toml
	$(BIN)/uv pip compile -q --upgrade --generate-hashes --no-header --extra demo --extra grpc --extra otel --group dev \
	  -c requirements/demo.txt -o requirements/dev.txt pyproject.toml
	for environment in requirements/environments/*.in; do \
	  overrides=$${environment%.in}.overrides; \
	  $(BIN)/uv pip compile -q --upgrade --no-header --no-annotate $$(test ! -f $$overrides || echo --override $$overrides) \
	    -o $${environment%.in}.txt $$environment || exit 1; \
	done

clean: ## Remove .venv and caches; keeps the built peers
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .coverage.* dist

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "inferometer needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) --version 2>&1 || true). Another one: make demo PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: requirements/demo.txt pyproject.toml | $(VENV)/bin/python
	$(call install,demo)
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(VENV)/bin/python
	$(call install,dev)
	@touch $(VENV)/.demo $@
