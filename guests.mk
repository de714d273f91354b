# `make guests` builds the example plugin and the conformance guest in each
# language, for the tests. A language whose toolchain is missing is skipped with the
# names of the packages to install, and makes the target fail where CI is set.

LANGUAGES := go c c-libc rust assemblyscript
GUESTS    := $(foreach l,$(LANGUAGES),dist/guests/$l/header.wasm dist/guests/$l/conformance.wasm)
EXAMPLES  := bearer-token mirror signed-url cloud-rhui policy-filter
HEADER    := plugins/examples/header
CONFORM   := testdata/guests/conformance

CFLAGS    := -Os -mbulk-memory -std=c11 -Wall -Wextra -Werror -Isdk/c -Wl,--strip-all
# Debian's rustc is what is tested; another one in PATH may lack the wasm32 library.
RUSTC      = $(firstword $(wildcard /usr/bin/rustc) rustc)
RUSTFLAGS := --edition 2021 --target wasm32-unknown-unknown --crate-type cdylib -C opt-level=s -C lto -C panic=abort -C strip=symbols -D warnings
ASC       := sdk/assemblyscript/node_modules/assemblyscript/bin/asc.js
# Not -Os or -Oz: with those, version 0.27.37 makes code whose need of memory grows with
# the square of a page.
ASCFLAGS  := -O2 --noAssert --runtime minimal --use abort=sdk/assemblyscript/sourcehost/abort --exportStart _initialize

HAVE_C    = $(and $(shell command -v clang),$(shell command -v wasm-ld))
HAVE_LIBC = $(and $(HAVE_C),$(wildcard /usr/lib/wasm32-wasi/libc.a),$(wildcard $(shell clang -print-resource-dir)/lib/wasi/libclang_rt.builtins-wasm32.a))
HAVE_RUST = $(wildcard $(shell $(RUSTC) --print sysroot 2>/dev/null)/lib/rustlib/wasm32-unknown-unknown)
HAVE_NPM  = $(shell command -v npm)
# build is a recipe: $(1) is empty when the packages $(2) are missing, else $(3) runs.
build     = @mkdir -p $(@D); $(if $(1),echo '$(3)'; $(3),echo "skipped $@: install Debian's packages $(2)" >&2; test -z "$$CI")

.PHONY: guests examples
guests: $(GUESTS)

# The plugins of plugins/examples, each with its manifest, and their sizes.
examples: $(EXAMPLES:%=dist/examples/%.wasm)
	@wc -c $^

dist/examples/%.wasm: FORCE
	@mkdir -p dist
	$(GOWASM) -o dist/example-$*.wasm ./plugins/examples/$*
	@mkdir -p $(@D)
	$(GO) run ./internal/cmd/pluginpack dist/example-$*.wasm plugins/examples/$*/plugin.json $@

dist/guests/go/header.wasm: FORCE
	$(GOWASM) -o $@ ./$(HEADER)
dist/guests/go/conformance.wasm: FORCE
	$(GOWASM) -o $@ ./$(CONFORM)/go

c = $(call build,$(HAVE_C),clang lld,clang --target=wasm32 -flto -nostdlib -Wl$(comma)--no-entry $(CFLAGS) -o $@ $<)
comma := ,
dist/guests/c/header.wasm: $(HEADER)/c/header.c sdk/c/sourcehost.h
	$(c)
dist/guests/c/conformance.wasm: $(CONFORM)/c/conformance.c sdk/c/sourcehost.h
	$(c)

libc = $(call build,$(HAVE_LIBC),clang lld wasi-libc libclang-rt-dev-wasm32,clang --target=wasm32-wasi -mexec-model=reactor $(CFLAGS) -o $@ $<)
dist/guests/c-libc/header.wasm: $(HEADER)/c/header.c sdk/c/sourcehost.h
	$(libc)
dist/guests/c-libc/conformance.wasm: $(CONFORM)/c/conformance.c sdk/c/sourcehost.h
	$(libc)

rust = $(call build,$(HAVE_RUST),rustc libstd-rust-dev-wasm32,$(RUSTC) $(RUSTFLAGS) -o $@ $<)
dist/guests/rust/header.wasm: $(HEADER)/rust/header.rs sdk/rust/sourcehost.rs
	$(rust)
dist/guests/rust/conformance.wasm: $(CONFORM)/rust/conformance.rs sdk/rust/sourcehost.rs
	$(rust)

$(ASC): sdk/assemblyscript/package-lock.json
	$(call build,$(HAVE_NPM),npm,npm ci --prefix sdk/assemblyscript --no-audit --no-fund --loglevel error && touch $@)

as = $(call build,$(HAVE_NPM),npm,node $(ASC) $< $(ASCFLAGS) -o $@)
dist/guests/assemblyscript/header.wasm: $(HEADER)/assemblyscript/header.ts sdk/assemblyscript/sourcehost.ts $(ASC)
	$(as)
dist/guests/assemblyscript/conformance.wasm: $(CONFORM)/assemblyscript/conformance.ts sdk/assemblyscript/sourcehost.ts $(ASC)
	$(as)
