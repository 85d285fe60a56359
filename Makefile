# make help lists the targets. Go, make and, for make race, a C compiler are expected;
# PostgreSQL and Redis servers are installed or asked for.

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
COMPOSE     = github.com/compose-spec/compose-go/v2/cmd@v2.16.2

# RACED is where goroutines share memory. Both programs have the race detector in TestCoherence.
RACED = ./internal/activity ./internal/cachestate ./internal/invalidate ./internal/invalidate/dashboard \
	./internal/rediscache ./internal/serve ./internal/serve/l1 ./internal/serve/readthrough ./internal/serve/watch

.DEFAULT_GOAL := help
.PHONY: help ready run pictures clean test race mutants soak build lint bench compose-test dist

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

ready:
	@command -v go >/dev/null || { echo 'freshlist needs Go 1.26 or newer: https://go.dev/dl/' >&2; exit 1; }
	@[ -w . ] || { echo 'freshlist builds in its clone, which you may not write to: copy it to a folder of yours' >&2; exit 1; }

run: build ## everything for a first look, on private servers unless DATABASE_URL, REDIS_URL are set
	@[ -n "$$DATABASE_URL" -a -n "$$REDIS_URL" ] || scripts/install-servers
	@mkdir -p .local && go build -o .local/run ./internal/local/run
	@exec .local/run

pictures: ready ## record the pictures of the documents in Chromium: docs/*.png
	@scripts/install-servers --test --browser
	PICTURES=$(CURDIR)/docs go test -count=1 -run '^TestPictures$$' -v ./internal/serve/render/browser

clean: ready ## remove what was built and the data of make run
	@[ ! -d .local ] || go run ./internal/local/run clean
	rm -rf bin dist .local

test: ready ## all tests on private PostgreSQL and Redis servers
	@scripts/install-servers --test
	go test -timeout 30m ./...
	cd deploy/kubernetes/check && go test ./...

race: ready ## the tests of what runs at the same time, with the race detector
	@scripts/install-servers --test
	CGO_ENABLED=1 go test -race -timeout 30m $(RACED)
	CGO_ENABLED=1 go test -race -timeout 30m -run '^(TestCoherence|TestFleet)$$' ./internal/coherence

mutants: ready ## take the guards out one by one and print those that no test misses; ONLY=pattern, JOBS=1
	@scripts/install-servers --test
	go run ./internal/mutants -only '$(ONLY)' -jobs $(or $(JOBS),1)
	@[ -n '$(ONLY)' ] || COHERENCE_SEARCH=on go test -count=1 -timeout 20m -run '^TestCheckerFindsMutants$$' -v ./internal/coherence

soak: ready ## random edits and faults, every answer checked, for TIME (10m)
	@scripts/install-servers --test
	COHERENCE_TIME=$(or $(TIME),10m) COHERENCE_PAUSE=0s COHERENCE_READERS=12 go test -count=1 -timeout 0 -run '^TestCoherence$$' -v ./internal/coherence

build: ready ## bin/api and bin/invalidator
	CGO_ENABLED=0 go build -trimpath -o bin/ ./cmd/...

lint: ready ## formatting, go vet, staticcheck, the compose files
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "gofmt -w $$unformatted"; exit 1; }
	go vet ./...
	go run $(STATICCHECK) ./...
	cd deploy/kubernetes/check && go vet ./...
	go run $(COMPOSE) docker-compose.yml >/dev/null
	go run $(COMPOSE) docker-compose.cluster.yml >/dev/null

bench: build ## measure everything beside its baselines, into docs/bench.json and .svg; LONG=1 adds some twenty minutes, for sizes, growth, floors and faults
	@scripts/install-servers
	@mkdir -p .local && CGO_ENABLED=0 go build -trimpath -o .local/ ./internal/bench ./internal/bench/baseline
	@exec .local/bench -out docs $(if $(LONG),-long)

compose-test: ready ## prove both compose files on a container engine that runs; base images that it lacks are made of Debian's packages
	@go run ./internal/deploy/containers $(if $(FILE),-file $(FILE))

dist: ready ## what is released, into dist/: archives and Debian packages, bills of materials, checksums; VERSION=x.y.z
	@scripts/dist $(VERSION)
