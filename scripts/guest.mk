# Guest tests (test/guest): the same sources built with musl and glibc, run on Linux (test-native) and
# inside the LibOS (test, test-glibc). A new test is one file. TESTS="a b" picks, times=N repeats.
GUEST_C     := $(sort $(wildcard test/guest/*.c))
GUEST_CC    := $(sort $(wildcard test/guest/*.cc))
GUEST_H     := $(wildcard test/guest/*.h)
GUEST_NAMES := $(patsubst test/guest/%.c,%,$(GUEST_C))
GUEST_FLAGS := -std=gnu17 -O2 -g -pthread -fPIE -pie -Wall -Wextra -Werror -Wshadow \
               -Wmissing-prototypes -Wstrict-prototypes -Wvla
# tests hand wrong pointers, sizes and paths to the kernel on purpose
GUEST_FLAGS += -Wno-clobbered -Wno-stringop-overflow -Wno-stringop-overread -Wno-format-truncation \
               -Wno-nonnull -Wno-array-bounds -Wno-unused-result -Wno-deprecated-declarations
GUEST_MUSL  := $(patsubst %,$(B)/test/musl/bin/%,$(GUEST_NAMES))
GUEST_GLIBC := $(patsubst %,$(B)/test/glibc/bin/%,$(GUEST_NAMES)) \
               $(patsubst test/guest/%.cc,$(B)/test/glibc/bin/%,$(GUEST_CC))
# flags of single tests: GUEST_FLAGS_<name>
GUEST_FLAGS_fixed_address := -no-pie -fno-pie
# occlum-gcc once it is built, else the compiler it drives
MUSL_CC      = $(firstword $(wildcard $(B)/bin/occlum-gcc) musl-gcc)
# the LibOS and its tools, as far as the sources are here
GUEST_NEEDS := $(if $(wildcard tools/occlum/*.c),all)

$(B)/test/musl/bin/%: test/guest/%.c $(GUEST_H)
	@mkdir -p $(@D)
	$(Q)$(MUSL_CC) $(GUEST_FLAGS) $(GUEST_FLAGS_$*) -o $@ $< -lm
$(B)/test/glibc/bin/%: test/guest/%.c $(GUEST_H)
	@mkdir -p $(@D)
	$(Q)gcc $(GUEST_FLAGS) $(GUEST_FLAGS_$*) -o $@ $< -lm -lrt
$(B)/test/glibc/bin/%: test/guest/%.cc
	@mkdir -p $(@D)
	$(Q)g++ -std=c++17 -O2 -g -pthread -fnon-call-exceptions -Wall -Wextra -Werror -o $@ $<

test-volume: all ## the encrypted volume over several starts, with several programs and attacks
	@test/tools/volume.sh $(B)
	@test/tools/runtime_mount.sh $(B)

test-conformance: all guest-programs ## random operations against models on every file system (FSX_OPS=1000000, TREE_OPS, SEEDS)
	@FSX_OPS=$(or $(FSX_OPS),1000000) TREE_OPS=$(or $(TREE_OPS),100000) test/tools/conformance.sh $(B)

test-attack: all ## what a hostile host can do with the files of an instance as a whole
	@test/tools/attack.sh $(B)

test-kill: all ## kill -9 while a program writes to its volume (KILLS=1000)
	@KILLS=$(or $(KILLS),1000) test/tools/kill.sh $(B)

test-traps: all ## system calls of ordinary programs are patched: none traps
	@test/tools/traps.sh $(B)

test-image: all ## the own-key root image: what the host can see of it, and the wrong ways to run it
	@test/tools/image.sh $(B)

test-offline: all ## occlum ls, cat, cp, fsck and mount on an encrypted image and a volume
	@test/tools/offline.sh $(B)

test-anchor: all ## the freshness service: absent, another, forgetful; and volumes put back
	@test/tools/anchor.sh $(B)

.PHONY: test-native test-console test-control test-terminal test-volume test-conformance test-attack test-kill test-traps test-image test-offline test-anchor guest-programs
guest-programs: $(GUEST_MUSL) $(GUEST_GLIBC)

test: $(GUEST_NEEDS) $(GUEST_MUSL) ## run the guest tests inside the LibOS, built with musl
	@OCCLUM_BUILD=$(B) scripts/run-tests --libc musl --times $(or $(times),1) $(TESTS)
	@$(if $(TESTS),,test/tools/volume.sh $(B))
	@$(if $(TESTS),,test/tools/runtime_mount.sh $(B))
	@$(if $(TESTS),,$(MAKE) --no-print-directory guest-programs && SEEDS=1 test/tools/conformance.sh $(B))
	@$(if $(TESTS),,test/tools/attack.sh $(B))
	@$(if $(TESTS),,test/tools/noticks.sh $(B))
	@$(if $(TESTS),,test/tools/traps.sh $(B))
	@$(if $(TESTS),,test/tools/kill.sh $(B))
	@$(if $(TESTS),,$(MAKE) --no-print-directory test-crash)
	@$(if $(TESTS),,test/tools/image.sh $(B))
	@$(if $(TESTS),,test/tools/offline.sh $(B))
	@$(if $(TESTS),,test/tools/anchor.sh $(B))
test-glibc: $(GUEST_NEEDS) $(GUEST_GLIBC) ## the same, built with glibc
	@OCCLUM_BUILD=$(B) scripts/run-tests --libc glibc --times $(or $(times),1) $(TESTS)
test-console: $(GUEST_NEEDS) $(GUEST_MUSL) ## standard streams that are a terminal, on Linux and inside the LibOS
	@test/tools/console.sh $(B)
test-control: $(GUEST_NEEDS) ## a running instance: start, exec, stop, ps, top, kill
	@test/tools/control.sh $(B)
test-terminal: $(GUEST_NEEDS) ## bash, vi, less, top, tmux on a terminal, under run and exec
	@test/tools/terminal.sh $(B)
test-native: $(GUEST_MUSL) $(GUEST_GLIBC) ## the same programs on Linux itself, both builds
	@OCCLUM_BUILD=$(B) scripts/run-tests --libc musl --libc glibc --native --times $(or $(times),1) $(TESTS)

# Debian's programs (test/apps): APPS="coreutils python" picks families
$(B)/test/apps/driver: test/apps/driver.c
	@mkdir -p $(@D)
	$(Q)gcc -std=gnu17 -O2 -Wall -Wextra -Werror -static-pie -o $@ $<
.PHONY: test-apps test-apps-native
test-apps: $(GUEST_NEEDS) $(B)/test/apps/driver ## Debian programs inside the LibOS, compared with Linux
	@scripts/run-apps $(if $(TIME),--time) $(APPS)
test-apps-native: $(B)/test/apps/driver
	@scripts/run-apps --native $(APPS)
.PHONY: stress
stress: $(GUEST_NEEDS) $(B)/test/apps/driver ## stress-ng inside, compared with Linux (CONFIGS="1 2 4 2:0 2:50", STRESS_SECONDS=1, MIXED_SECONDS=20)
	@test/tools/stress.sh $(B) $(CONFIGS)
.PHONY: test-network
test-network: $(GUEST_NEEDS) ## servers inside and clients outside, and the other way round
	@test/tools/network.sh $(B)
