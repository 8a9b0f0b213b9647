# The crash tester of cowfs (test/crash): the objects of occlum-fs with workloads instead of commands; crash-asan is the
# same with sanitizers. `make crash` is the long run.
CRASH_SRC  := $(call find_c,test/crash) tools/offline/kernel.c $(filter-out tools/offline/%,$(OFFLINE_SRC))
CRASH_OBJ  := $(patsubst %.c,$(B)/offline/%.o,$(CRASH_SRC))
CRASH_ASAN := $(patsubst %.c,$(B)/crash-asan/%.o,$(CRASH_SRC) libos/base/lockorder.c)
CRASH_LIBS  = -fuse-ld=lld -Wl,--gc-sections $(B)/host/tools-lib.a $(IPSEC_A) -lcrypto -lpthread

$(B)/test/crash: $(CRASH_OBJ) $(B)/host/tools-lib.a
	@mkdir -p $(@D)
	$(Q)scripts/unit-link $@ $(CRASH_OBJ) -- $(CLANG) $(CRASH_LIBS)
$(B)/crash-asan/%.o: %.c Makefile scripts/recovery.mk
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(UNIT_CFLAGS) $(SAN) -MMD -MP -c $< -o $@
$(B)/test/crash-asan: $(CRASH_ASAN) $(B)/host/tools-lib.a
	@mkdir -p $(@D)
	$(Q)scripts/unit-link $@ $(CRASH_ASAN) -- $(CLANG) $(SAN) $(CRASH_LIBS)

.PHONY: crash test-crash check-crash
check: check-crash
check-crash: $(B)/test/crash-asan ## states after crashes of cowfs, with sanitizers
	ASAN_OPTIONS=detect_stack_use_after_return=0 $(B)/test/crash-asan --length 1 --random 20 --attack 4001 --at-least 10000
test-crash: all $(B)/test/crash ## states after crashes of cowfs, workloads of SQLite and git among them
	$(B)/test/crash --length 2 --random 60 --attack 61 --at-least 60000
	test/crash/record $(B)
crash: all $(B)/test/crash ## the same with all sequences of three operations: 1,000,000 states and more
	$(B)/test/crash --length 3 --random 400 --attack 1 --at-least 1000000
	test/crash/record $(B) --prefixes 0 --subsets 40 --tears 40
