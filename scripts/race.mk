# A kernel that finds its data races: compiled with -fsanitize=thread, linked with test/race/runtime.c, run in
# simulation, which is an ordinary process. `make TSAN=1 test TESTS=...` runs any guest test in it.
ifdef TSAN
LIBOS_CFLAGS := $(filter-out -flto,$(LIBOS_CFLAGS))
LIBOS_SRC    += test/race/runtime.c
RACE         := -fsanitize=thread -mllvm -tsan-instrument-func-entry-exit=0
RACE_LINK    := $(patsubst %,--wrap=%,memcpy memmove memset memcmp host_shutdown)
# What runs in exceptions and on the way out, and what the runtime itself uses.
RACE_NOT     := libos/arch/% libos/host/enclave/% libos/base/string.o libos/base/symbols.o test/race/%
$(foreach f,$(RACE_NOT),$(eval $(B)/libos/$(f): RACE :=))

# MUTANT=FILE: the same kernel with FILE of $(B)/mutant/src in the place of the tree's
ifdef MUTANT
$(B)/mutant/mutant.o: $(B)/mutant/src/$(MUTANT)
	$(Q)$(CLANG) -I$(B)/mutant/src $(LIBOS_CFLAGS) $(RACE) -c $< -o $@
$(B)/mutant/lib/libos.elf: $(filter-out $(B)/libos/$(MUTANT:.c=.o),$(call obj,libos,$(LIBOS_SRC))) \
    $(B)/libos/gen/tables.o $(B)/mutant/mutant.o $(B)/libos/gen/symbols0.o $(ZYDIS_A) libos/boot/libos.ld
	$(Q)$(LIBOS_LINK)
endif
endif

# Processes, threads, signals, memory and what they talk through: what two vCPUs are busy with. Not fuzz, whose
# calls meet in another way each time: `make tsan TESTS=fuzz` is a search, not a check.
RACE_TESTS := aio cred cred_threads epoll eventfd exec exit_group fifo fixed_address flock fork futex futex_pi \
    inotify interrupt locks malloc memfd mmap mmap_file mprotect mqueue mremap perms pgrp pidfd pipe poll \
    preempt procfs procfs_attributes pthread pty pty_session rlimit sched semaphore sigframe signal signal_fault \
    signal_stack signal_wait sleep spawn storm sysv_msg sysv_sem sysv_shm tcp_connect tcp_data tcp_options \
    tcp_wait time udp unix unix_connect unix_data unix_rights vfork wait
.PHONY: tsan tsan-mutants
tsan: ## the process tests in a kernel that finds its data races (TESTS=...)
	@$(MAKE) --no-print-directory TSAN=1 test TESTS="$(or $(TESTS),$(RACE_TESTS))"
tsan-mutants: ## data races put there on purpose: each is found
	@$(MAKE) --no-print-directory TSAN=1 all guest-programs
	@scripts/race-mutants build/tsan
