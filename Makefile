# sourcehost: `make demo` shows it at work, `make test` tests it. Both need Go
# and make; `make test` also uses real servers and tools where they are
# installed (see CONTRIBUTING.md), and fails without them when CI is set.

GO       ?= go
PLUGINS  := curl librepo skopeo skopeo-index containers-storage inline ostree
WASMDIR  := internal/builtin/wasm
WASM     := $(PLUGINS:%=$(WASMDIR)/%.wasm)
# -s -w drop symbols and debug information, which no plugin needs at run time.
GOWASM   := GOOS=wasip1 GOARCH=wasm CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags='-s -w' -buildmode=c-shared
FUZZTIME ?= 30s
# How long the tests of one package may take: a hang must show, a busy machine not.
TESTTIME ?= 40m
# How often crash kills the program, and how long and with how many items soak runs.
CRASHPOINTS ?= 200
SOAKTIME ?= 10m
SOAKITEMS ?= 20000
# The tag has host/container built with its embedded engine.
export GOFLAGS := -tags=containers_image_openpgp

.PHONY: all build plugins install demo test check bench bench-micro bench-peers fuzz crash soak clean

all: build

build: plugins
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o bin/sourcehost ./cmd/sourcehost

plugins: $(WASM)

# Go's build cache decides what has to be done again, so the rule always runs.
$(WASMDIR)/%.wasm: FORCE
	@mkdir -p dist
	$(GOWASM) -o dist/$*.wasm ./plugins/$*
	$(GO) run ./internal/cmd/pluginpack dist/$*.wasm plugins/$*/plugin.json $@

.PHONY: FORCE
FORCE:

# Into PREFIX, or into DESTDIR for a package: make install DESTDIR=/tmp/root PREFIX=/usr
PREFIX ?= /usr/local
PROGRAM ?= bin/sourcehost
SHARE = $(DESTDIR)$(PREFIX)/share

install: build
	install -D -m 755 $(PROGRAM) $(DESTDIR)$(PREFIX)/bin/sourcehost
	install -d $(SHARE)/bash-completion/completions $(SHARE)/zsh/site-functions $(SHARE)/fish/vendor_completions.d
	$(PROGRAM) completion bash > $(SHARE)/bash-completion/completions/sourcehost
	$(PROGRAM) completion zsh > $(SHARE)/zsh/site-functions/_sourcehost
	$(PROGRAM) completion fish > $(SHARE)/fish/vendor_completions.d/sourcehost.fish

include guests.mk

demo: build
	$(GO) run ./internal/demo -bin bin/sourcehost

# The race detector needs a C compiler; CI has one.
RACE = $(if $(CI)$(shell command -v "$$($(GO) env CC)"),-race)

test: plugins guests
	@test -n "$(RACE)" || echo "no C compiler ($$($(GO) env CC)): testing without the race detector"
	$(GO) test -timeout $(TESTTIME) $(RACE) ./...
	$(GO) test -run 'TestSDKStaysFlat|TestBombsAreBounded|TestProcessMemoryLimit' ./host/guest # in full only without the race detector

check: plugins
	@echo "gofmt"; out=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$out" || { echo "run gofmt on:" $$out; exit 1; }
	$(GO) vet ./...
	GOOS=wasip1 GOARCH=wasm $(GO) vet -unsafeptr=false ./sdk/... ./plugins/...
	$(GO) tool staticcheck ./...
	$(GO) mod tidy -diff
	$(GO) mod verify
	@echo "clean tree"; out=$$(git status --porcelain); test -z "$$out" || { echo "the tree is not clean:"; echo "$$out"; exit 1; }

# Both kinds of benchmarks; docs/performance.md explains them.
bench: bench-micro bench-peers

bench-micro: plugins
	$(GO) test -run '^$$' -bench . -benchmem $(BENCHFLAGS) ./...

# The whole program against curl and aria2c, and images against skopeo. One case
# alone: make bench-peers PEERFLAGS='-case small/http$$'
bench-peers: build bin/sourcehost-unsynced
	$(GO) run ./internal/bench $(PEERFLAGS)

# The program without any sync, to be measured against, never to be used.
bin/sourcehost-unsynced: FORCE
	CGO_ENABLED=0 $(GO) build $(GOFLAGS),sourcehost_unsynced -trimpath -ldflags='-s -w' -o $@ ./cmd/sourcehost

# The program with a profiler: CPUPROFILE=cpu.out bin/sourcehost-profile fetch ...
bin/sourcehost-profile: FORCE
	CGO_ENABLED=0 $(GO) build $(GOFLAGS),sourcehost_profile -trimpath -o $@ ./cmd/sourcehost

# Each fuzz target for FUZZTIME, one after the other, as go test wants it. By default
# an input that is new may be made smaller for a minute, which leaves no time for others.
# At the end of its time go test may say that its own deadline is over: no failure.
fuzz:
	@grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u | while read -r dir; do \
	  for f in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]+' $$dir/*_test.go | sed 's/^func //'); do \
	    echo "$$dir $$f"; \
	    out=$$($(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s $$dir 2>&1); failed=$$?; echo "$$out"; \
	    case "$$failed $$out" in 0*) ;; *"Failing input"*) exit 1 ;; *"context deadline exceeded"*) ;; *) exit 1 ;; esac; done; done

# Kills programs at CRASHPOINTS random points, in each kind of work on its own.
crash: plugins
	$(GO) test -count=1 -timeout 60m -run 'Crash' -v ./host/store -args -crashpoints $(CRASHPOINTS)
	$(GO) test -count=1 -timeout 60m -run 'Crash' -v ./internal/e2e -args -crashpoints $(CRASHPOINTS)

# Many items over a long time, of whose requests 5 of 100 fail.
soak: plugins
	$(GO) test -count=1 -timeout 60m -run '^TestSoak$$' -v ./internal/e2e -args -soaktime $(SOAKTIME) -soakitems $(SOAKITEMS)

clean:
	rm -rf bin dist $(WASM)
