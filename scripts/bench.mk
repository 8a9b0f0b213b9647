# make bench: native Linux against the LibOS in one run. BENCH="names" picks, REPEATS=n, LIBC=musl|glibc,
# CPU=n the core, NATIVE=1 only the native column.
BENCH_NAMES := $(filter-out true timeit,$(patsubst bench/%.c,%,$(wildcard bench/*.c)))
BENCH_FLAGS := -std=gnu17 -O2 -g -pthread -Wall -Wextra -Werror -Wshadow -Wno-unused-parameter
BENCH_BIN   := $(B)/bench/bin
BENCH_TRUE  := $(addprefix $(BENCH_BIN)/true_,static_musl dynamic_musl static_glibc dynamic_glibc)
BENCH_ALL   := $(patsubst %,$(BENCH_BIN)/%-musl,$(BENCH_NAMES)) \
               $(patsubst %,$(BENCH_BIN)/%-glibc,$(BENCH_NAMES)) $(BENCH_TRUE) $(B)/bench/timeit

$(BENCH_BIN)/%-musl: bench/%.c bench/bench.h
	@mkdir -p $(@D)
	$(Q)musl-gcc $(BENCH_FLAGS) -fPIE -pie -o $@ $<
$(BENCH_BIN)/%-glibc: bench/%.c bench/bench.h
	@mkdir -p $(@D)
	$(Q)gcc $(BENCH_FLAGS) -fPIE -pie -o $@ $<
$(B)/bench/timeit: bench/timeit.c bench/bench.h
	@mkdir -p $(@D)
	$(Q)gcc $(BENCH_FLAGS) -o $@ $<
$(BENCH_BIN)/true_static_musl: bench/true.c
	@mkdir -p $(@D)
	$(Q)musl-gcc -O2 -static -o $@ $<
$(BENCH_BIN)/true_dynamic_musl: bench/true.c
	@mkdir -p $(@D)
	$(Q)musl-gcc -O2 -fPIE -pie -o $@ $<
$(BENCH_BIN)/true_static_glibc: bench/true.c
	@mkdir -p $(@D)
	$(Q)gcc -O2 -fPIE -static-pie -o $@ $<
$(BENCH_BIN)/true_dynamic_glibc: bench/true.c
	@mkdir -p $(@D)
	$(Q)gcc -O2 -fPIE -pie -o $@ $<

bench: $(if $(NATIVE),,$(if $(wildcard tools/occlum/*.c),all)) $(BENCH_ALL) ## compare with native Linux (BENCH="names", REPEATS=n)
	@BENCH="$(BENCH)" REPEATS="$(REPEATS)" LIBC="$(LIBC)" CPU="$(CPU)" NATIVE="$(NATIVE)" scripts/bench

bench-fs: all $(BENCH_BIN)/names-glibc $(B)/bench/timeit ## files in cowfs against ext4 and tmpfs (ROWS="names", REPEATS=n)
	@ROWS="$(ROWS)" REPEATS="$(REPEATS)" SIZE_MB="$(SIZE_MB)" DISK="$(DISK)" KEEP="$(KEEP)" scripts/bench-fs
