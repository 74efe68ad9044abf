# make help lists what there is; README.md says what to look at.
.DEFAULT_GOAL := help
SHELL := /bin/bash

# One way of building for vet, lint and what is shipped, so that nothing is compiled twice; and a compiler that collects less garbage is a fifth faster.
export CGO_ENABLED := 0
export GOFLAGS := -trimpath $(GOFLAGS)
FAST := GOGC=400

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

.PHONY: run
run: setup package ## run the whole pipeline on this machine until Ctrl-C (RETENTION=2m to watch a recording go)
	@go build -o .local/bin/ ./cmd/local
	@exec .local/bin/local $(if $(RETENTION),--retention $(RETENTION)) $(ARGS)

.PHONY: demo
demo: setup package ## show and check the main job from upload to erasure, on free ports, in a temporary folder
	@go run ./cmd/demo

.PHONY: test
test: package ## run every test: unit, contracts, stand-ins, end to end
	@scripts/setup test
	CGO_ENABLED=1 $(FAST) go test -race -p 4 -timeout 45m -exec 'env -u GOGC' ./internal/ffmpeg ./... # the longest first

.PHONY: check
check: lint test demo infra-test ## what CI runs

.PHONY: lint
lint: ## formatting, vet and staticcheck
	@files=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$files" ]; then echo "gofmt would change: $$files"; exit 1; fi
	$(FAST) go vet ./...
	$(FAST) go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...

.PHONY: bench
bench: bench-pipeline bench-proxies bench-peers bench-standins ## measure everything; the tables go into docs/benchmarks.md

.PHONY: bench-pipeline
bench-pipeline: setup package ## measure the pipeline against bare ffmpeg, its memory, and the way of a recording
	@go run ./cmd/bench -only system

.PHONY: bench-proxies
bench-proxies: setup package ## measure the proxies: CPU, bytes, time to watch, wall time, memory (ARGS=-quick for a look); needs 15 GB of disk in TMPDIR
	@go run ./cmd/bench -only proxies $(ARGS)

.PHONY: bench-peers
bench-peers: setup ## measure the proxy's settings against other systems' on the same clips: CPU, bytes, likeness
	@go run ./cmd/sweep -quick

.PHONY: bench-standins
bench-standins: setup ## measure the stand-ins; needs 4 GB of disk in TMPDIR
	go test -run '^$$' -bench . -benchtime 1s -timeout 30m ./internal/standin/servicebus
	go test -run '^$$' -bench Cosmos -benchtime 2s -timeout 30m ./internal/standin/cosmos
	go test -run '^$$' -bench . -benchtime 2000x -timeout 30m ./internal/standin/functionshost
	go test -run '^$$' -bench Upload -benchtime 3x -timeout 30m ./internal/standin/eventgrid
	go test -run '^$$' -bench Events -benchtime 2000x -timeout 30m ./internal/standin/eventgrid

.PHONY: campaign
campaign: setup ## kill each stand-in 100 times under load, and look that nothing acknowledged is lost
	CRASH_ROUNDS=100 go test -v -count=1 -run Campaign -timeout 60m ./internal/standin/...

.PHONY: package
package: ## make dist/, which Azure and the local host run; with VERSION=v1.2.3 also the release: zip, checksum, SBOM, image
	@$(FAST) scripts/package
	@$(if $(VERSION),scripts/deploy package $(VERSION),:)

.PHONY: setup
setup: ## install what is missing: ffmpeg, Node, Azurite
	@scripts/setup

.PHONY: clean
clean: ## remove what was built, but not .local/, which has the uploads
	rm -rf dist

.PHONY: infra-test
infra-test: ## hold the Terraform files to every promise, offline: joins, mocked plans, and a mutation for each assertion
	go test -count=1 -v ./internal/infratest
	go test -count=1 ./cmd/cost
	cd infra/tools && go vet ./... && go test ./...
	cd infra/tools && go run ./verify

.PHONY: cost
cost: ## what it costs a month on Azure, at 3,500, 7,000 and 22,000 cameras
	@go run ./cmd/cost $(ARGS)
