# Targets of this repository; `make` alone lists them.

GO          ?= go
FUZZTIME    ?= 10s
FUZZ        ?= Fuzz
EXPLORETIME ?= 1m
BENCHFLAGS  ?= -out ../docs/performance.md
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

SHELL         := bash
.SHELLFLAGS   := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run demo build test check format vet staticcheck race generated bench bench-openmeter fuzz e2e crash ci clean

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

check: format vet staticcheck generated race ## all that must hold before a commit

format: # every file is as gofmt writes it
	@files=$$(gofmt -l .) && test -z "$$files" || { echo "run gofmt -w on: $$files"; exit 1; }

vet:
	$(GO) vet ./...
	cd bench && $(GO) vet ./...

staticcheck:
	$(GO) run $(STATICCHECK) ./...
	cd bench && $(GO) run $(STATICCHECK) ./...

generated: # go.mod and go.sum are as the source needs them
	$(GO) mod tidy -diff
	cd bench && $(GO) mod tidy -diff

# The program that the tests under e2e run is built without the race detector,
# so they would show nothing here.
race:
	$(GO) test -race -timeout 25m $$($(GO) list ./... | grep -v /e2e/)

bench: ## measure the standard fleet, write docs/performance.md; BENCHFLAGS for others
	cd bench && $(GO) run . $(BENCHFLAGS)

bench-openmeter: ## beside OpenMeter's table and query; RESOURCES=100 DAYS=2 takes seconds
	bench/openmeter/run

# Minimizing what is merely interesting would take most of the time.
fuzz: ## every fuzz target for FUZZTIME (FUZZ=FuzzBase: just that), then new histories for EXPLORETIME
	@$(GO) list -f '{{.Dir}}' ./... | while read -r dir; do \
		for name in $$(find "$$dir" -maxdepth 1 -name '*_test.go' -exec sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' {} + | { grep -E '^$(FUZZ)' || true; }); do \
			echo "fuzz $$name in $$dir"; \
			$(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s "$$dir" || exit 1; \
		done; \
	done
	METERBOOK_EXPLORE_TIME=$(EXPLORETIME) $(GO) test -count=1 -timeout 0 -run '^TestExplored' ./internal/ledger

e2e: ## the official Python SDK against a started server
	e2e/run sdk

crash: ## kill a server under load METERBOOK_CRASHES times
	$(GO) test -count=1 -v ./e2e/crash

ci: ## all that the continuous integration runs
	.ci/run

clean: ## remove what was built, also the Python environment
	rm -rf meterbook dist e2e/.venv e2e/artifacts
