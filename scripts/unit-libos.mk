# The LibOS as an ordinary process: every C source of libos/ with ASan and UBSan, except what only
# exists in an enclave. libos/host/posix and libos/host/fake stand in for that; their functions are
# weak, so a module of the kernel that is part of this build is used itself. A function nobody defines
# panics when it is called (scripts/unit-link). New sources and tests need no line here.
UNIT_SKIP  := libos/arch/% libos/host/enclave/% libos/exec/vdso/% \
              libos/crypto/ipsec_libc.c libos/boot/main.c libos/boot/start.c libos/boot/panic.c \
              libos/sys/trap.c libos/mm/epc.c libos/mm/heap.c libos/mm/slab.c libos/mm/uaccess.c \
              libos/task/sched.c libos/task/runq.c libos/task/thread.c libos/task/clock.c
UNIT_SRC   := $(filter-out $(UNIT_SKIP),$(filter %.c,$(call find_c,libos)))
UNIT_TESTS := $(call find_tests,libos)
UNIT_OBJ   := $(patsubst %.c,$(B)/unit/%.o,$(UNIT_SRC) $(UNIT_TESTS)) \
              $(B)/unit/gen/tables.o $(B)/unit/gen/tests_libos.o $(B)/unit/test/unit/main.o
UNIT_CC    := $(CLANG) $(UNIT_CFLAGS) $(SAN)

$(B)/unit/%.o: %.c Makefile scripts/unit-libos.mk
	@mkdir -p $(@D)
	$(Q)$(UNIT_CC) -MMD -MP -c $< -o $@
$(B)/unit/gen/%.o: $(B)/gen/%.c Makefile scripts/unit-libos.mk
	@mkdir -p $(@D)
	$(Q)$(UNIT_CC) -c $(B)/gen/$*.c -o $@
$(B)/unit/libos-test: $(UNIT_OBJ) scripts/unit-link
	$(Q)scripts/unit-link $@ $(UNIT_OBJ) -- $(CLANG) $(SAN) -fuse-ld=lld -lcmocka -lpthread $(IPSEC_A) -lZydis -lcrypto

.PHONY: check-libos unit-libos
unit-libos: $(B)/unit/libos-test
check-libos: $(B)/unit/libos-test ## unit tests of the LibOS under ASan and UBSan (T=substring picks)
	ASAN_OPTIONS=detect_stack_use_after_return=0:detect_leaks=$(or $(LEAKS),1) \
	UBSAN_OPTIONS=print_stacktrace=1 $(B)/unit/libos-test $(if $(T),'*$(T)*')
