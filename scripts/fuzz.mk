# Fuzzers: fuzz/NAME.c has an LLVMFuzzerTestOneInput; a line "// sources: a.c b.c" in it names what it
# tests; functions that these call and nobody has are panics (scripts/unit-link). Seeds are in
# fuzz/corpus/NAME (committed), what a run finds in build/fuzz/NAME.corpus.
FUZZ_SECONDS ?= 60
FUZZ_NAMES   := $(patsubst fuzz/%.c,%,$(wildcard fuzz/*.c))
FUZZ_CFLAGS   = $(UNIT_CFLAGS) -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
                -fno-omit-frame-pointer $(ZYDIS_INC)
# smp.c, lockorder.c: what the headers' locks and counters look at
fuzz_sources  = libos/base/smp.c libos/base/lockorder.c $(shell sed -nE 's,^// sources: ,,p' fuzz/$(1).c)
fuzz_libs     = $(shell sed -nE 's,^// libs: ,,p' fuzz/$(1).c)

.SECONDEXPANSION:
$(B)/fuzz/%: fuzz/%.c $$(call fuzz_sources,$$*) $(B)/gen/.stamp scripts/fuzz.mk
	@rm -rf $@.o && mkdir -p $@.o
	$(Q)set -e; for f in $< $(call fuzz_sources,$*); do \
	    $(CLANG) $(FUZZ_CFLAGS) -c $$f -o $@.o/$$(echo $$f | tr / -).o; done
	$(Q)scripts/unit-link $@ $@.o/*.o -- $(CLANG) $(FUZZ_CFLAGS) -fuse-ld=lld $(call fuzz_libs,$*)

fuzz: $(if $(T),$(B)/fuzz/$(T)) ## fuzz one target: make fuzz T=name [FUZZ_SECONDS=60]; without T lists them
	@$(if $(T),,echo "fuzz targets: $(FUZZ_NAMES)"; exit 0)
	@$(if $(T),,exit 0;) \
	mkdir -p $(B)/fuzz/$(T).corpus fuzz/corpus/$(T) && cd $(B)/fuzz && \
	./$(T) -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
	    -artifact_prefix=$(T)- $(FUZZ_ARGS) $(T).corpus $(CURDIR)/fuzz/corpus/$(T)
# every target for FUZZ_SECONDS each
.PHONY: fuzz-all
fuzz-all: ## all fuzz targets, FUZZ_SECONDS each
	@mkdir -p $(B)/fuzz; for t in $(FUZZ_NAMES); do echo "== fuzz $$t"; \
	    $(MAKE) -s fuzz T=$$t > $(B)/fuzz/$$t.log 2>&1 || { tail -n 30 $(B)/fuzz/$$t.log; exit 1; }; \
	    grep 'number_of_executed' $(B)/fuzz/$$t.log; done
