# Targets of this repository; `make` alone lists them.

GO          ?= go
FUZZTIME    ?= 100000x
FUZZ        ?= Fuzz
EXPLORETIME ?= 1m
BENCHFLAGS  ?= -out ../docs/performance.md
TOOL        := $(GO) tool -modfile=$(CURDIR)/tools/go.mod

# Modules of their own, so that the program carries nothing of what they need.
AROUND := bench e2e/console

SHELL         := bash
.SHELLFLAGS   := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run demo build test check quick format vet staticcheck race generated licences notices vulnerabilities schema console bench bench-openmeter fuzz e2e crash ci clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## run a server on ./meterbook-data
	$(GO) run ./cmd/meterbook serve --data meterbook-data

demo: ## load an invented fleet, show its report, keep serving
	$(GO) run ./cmd/meterbook demo

build: ## build the static binary ./meterbook
	CGO_ENABLED=0 $(GO) build -trimpath -o meterbook ./cmd/meterbook

test: ## all tests, the house rules among them
	$(GO) test ./...

check: quick race ## all that must hold before a commit

quick: format generated vet staticcheck ## what check does, but for the tests

format: # every file is as gofmt writes it
	@files=$$(gofmt -l .) && test -z "$$files" || { echo "run gofmt -w on: $$files"; exit 1; }

vet:
	$(GO) vet ./...
	@for module in $(AROUND); do (cd $$module && $(GO) vet ./...) || exit 1; done

staticcheck:
	$(TOOL) staticcheck ./...
	@for module in $(AROUND); do (cd $$module && $(TOOL) staticcheck ./...) || exit 1; done

generated: # go.mod, go.sum and the list of licences are as the source needs them
	$(GO) mod tidy -diff
	@for module in $(AROUND) tools; do (cd $$module && $(GO) mod tidy -diff) || exit 1; done
	tools/licences check

licences: ## check the licences of dependencies, write docs/licences.md
	tools/licences

notices: ## write the texts of all licences into dist/licences, for a release
	tools/licences texts

vulnerabilities: ## look for known vulnerabilities; GOVULNDB names another database
	tools/vulnerabilities

# Left out is what would show nothing here: the program that the tests under e2e
# run is built without the race detector, and the house rules and the tests of the
# naive model itself have one goroutine.
race:
	$(GO) test -race -timeout 25m $$($(GO) list ./... | grep -v -e /e2e/ -e /internal/lint$$ -e /internal/storetest$$)

bench: ## measure the standard fleet, write docs/performance.md; BENCHFLAGS for others
	cd bench && $(GO) run . $(BENCHFLAGS)

bench-openmeter: ## beside OpenMeter's table and query; RESOURCES=100 DAYS=2 takes seconds
	bench/openmeter/run

# Minimizing what is merely interesting would take most of the time. A count, since
# Go 1.26 sometimes fails a target that ends by time (go.dev/issue/75804).
fuzz: ## every fuzz target on FUZZTIME inputs (FUZZ=FuzzBase: just that), then new histories for EXPLORETIME
	@$(GO) list -f '{{.Dir}}' ./... | while read -r dir; do \
		for name in $$(find "$$dir" -maxdepth 1 -name '*_test.go' -exec sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' {} + | { grep -E '^$(FUZZ)' || true; }); do \
			echo "fuzz $$name in $$dir"; \
			$(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s "$$dir" || exit 1; \
		done; \
	done
	METERBOOK_EXPLORE=$$(date +%s)000000-18446744073709551615 METERBOOK_EXPLORE_TIME=$(EXPLORETIME) $(GO) test -count=1 -timeout 0 -run '^TestExplored' ./internal/ledger

e2e: ## the official Python SDK against a started server
	e2e/run sdk

schema: ## the OpenAPI document against a started server; EXAMPLES=1000 SEED=2 for more and others
	e2e/run schema

console: ## the console in a real Chromium; pictures of its pages go to e2e/artifacts/console
	cd e2e/console && $(GO) test -count=1 -timeout 10m .

crash: ## kill a server under load METERBOOK_CRASHES times
	$(GO) test -count=1 -v ./e2e/crash

ci: ## all that the continuous integration runs
	.ci/run

clean: ## remove what was built, also the Python environment
	rm -rf meterbook dist e2e/.venv e2e/artifacts
