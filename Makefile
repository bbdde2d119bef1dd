# flowyte. `make help` lists what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
KIND ?= postgres
T ?= 60s
N ?= 10000
export CGO_ENABLED ?= 0
GO ?= go
VERSION := $(shell git describe --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X flowyte/internal/cli.version=$(VERSION)

## demo: run the main job on a private database and a demo company (KIND=mysql for MariaDB)
.PHONY: demo
demo: build
	@scripts/fetch-databases.sh $(if $(filter mysql,$(KIND)),mariadb,postgres)
	@bin/flowyte demo --kind $(KIND) $(DEMO_ARGS)

## test: fetch what the tests need and run all of them
.PHONY: test
test:
	@scripts/test.sh

## check: format, vet, staticcheck, generated files, and all tests with the race detector
.PHONY: check
check: format-check vet staticcheck generated-check
	@scripts/test.sh

.PHONY: format-check
format-check:
	@out=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$out" ]; then echo "gofmt would change:"; echo "$$out"; exit 1; fi

.PHONY: vet
vet:
	$(GO) vet ./...

.PHONY: staticcheck
staticcheck:
	$(GO) tool staticcheck ./...

## generate: write the generated files anew
.PHONY: generate
generate:
	$(GO) generate ./...

.PHONY: generated-check
generated-check:
	@scripts/generated-check.sh

## build: the one static binary, bin/flowyte
.PHONY: build
build:
	@mkdir -p bin
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/flowyte ./cmd/flowyte

## bench: against a bare handler on private databases; prints tables of ratios (BENCH_ARGS, 3 minutes)
.PHONY: bench
bench: build
	@scripts/fetch-databases.sh postgres mariadb
	@$(GO) build -trimpath -ldflags '-s -w' -o bin/ ./bench/floor ./bench
	@bin/bench -bin bin $(BENCH_ARGS)

## bench-discover: schemas of 100 to 10,000 tables against the bare catalogue queries
.PHONY: bench-discover
bench-discover:
	$(GO) test -run '^$$' -bench Discover -benchtime 5x -timeout 30m ./internal/discover

## eval-bind: goals against the bindings proposed for them, without a model (MISSES=1 shows every miss)
.PHONY: eval-bind
eval-bind:
	$(GO) test ./internal/assist -count=1 -run 'TestGoals$$|TestCorpora|TestProposalsAreQuick' -v $(if $(MISSES),-misses)

## eval-search: the sample question sets against the search, where they are beside the tree
.PHONY: eval-search
eval-search:
	$(GO) test ./internal/search -count=1 -run TestRecall -eval -v

## hostile: N hostile servers for each driver, in a plain binary (N=10000)
.PHONY: hostile
hostile:
	@scripts/hostile.sh $(N)

## soak: the long forms of bad days: a network that never behaves, 1,000 organisations, a million rows (T=10m)
.PHONY: soak
soak: T = 10m
soak:
	@scripts/fetch-databases.sh postgres mariadb
	$(GO) test ./internal/faulttest -count=1 -run 'TestSoak|TestManyTenants|TestStartNeedsNobody|TestEverything' -v -timeout 90m -soak $(T)

## crash: kill the service N times at each failpoint of a write, and databases, and cut connections for a minute (N=250)
.PHONY: crash
crash: N := 250
crash:
	@scripts/fetch-databases.sh all
	$(GO) test ./internal/crashtest -count=1 -v -timeout 60m -crashes $(N) -outages $$(($(N) / 10 + 1)) -chaos 1m

## cover-classifier: whether the tests reach every statement that judges hosts and addresses
.PHONY: cover-classifier
cover-classifier:
	@scripts/cover-classifier.sh

## bench-search: an index of 100,000 fields built and searched, in CPU time
.PHONY: bench-search
bench-search:
	$(GO) test -run '^$$' -bench . -benchtime 3s ./internal/search

## fuzz: every fuzz target for T each (T=60s)
.PHONY: fuzz
fuzz:
	@scripts/fuzz.sh $(T)

## release-check: all servers present, both architectures build, vulnerabilities looked up by hand
.PHONY: release-check
release-check:
	@scripts/release-check.sh

## help: this list
.PHONY: help
help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST) | awk -F': ' '{printf "  make %-16s %s\n", $$1, $$2}'
