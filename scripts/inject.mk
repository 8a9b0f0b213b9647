# The seeded-bug experiment: the shipped kernel plus one system call that commits memory bugs
# (test/inject), as an installation of its own in build/inject. Never part of `all` or of an install.
INJECT := $(B)/inject
$(INJECT)/inject.o: test/inject/inject.c test/inject/bugs.def Makefile
	@mkdir -p $(@D)
	$(CLANG) $(LIBOS_CFLAGS) -MMD -MP -c $< -o $@
$(INJECT)/tables.o: $(B)/gen/tables.c scripts/inject.mk
	@mkdir -p $(@D)
	sed -e 's/^const struct syscall_entry syscall_table.*/extern syscall_fn sys_afs_syscall;\n&\n    [__NR_afs_syscall] = { .name = "afs_syscall", .fn = sys_afs_syscall, .argc = 1, .args = "" },/' \
	    $(B)/gen/tables.c > $(INJECT)/tables.c
	$(CLANG) $(LIBOS_CFLAGS) -c $(INJECT)/tables.c -o $@
# the same link as the shipped image, with other tables and without symbols for backtraces
.SECONDEXPANSION:
$(INJECT)/lib/libos.elf: $$(filter-out $(B)/libos/gen/tables.o,$$(LIBOS_OBJ)) $(INJECT)/inject.o \
    $(INJECT)/tables.o $(B)/libos/gen/symbols0.o $$(ZYDIS_A) libos/boot/libos.ld
	@mkdir -p $(@D)
	$(LIBOS_LINK)
$(INJECT)/bin/trigger: test/inject/trigger.c test/inject/bugs.def
	@mkdir -p $(@D)
	musl-gcc -static -O2 -Wall -Wextra -Werror -I. -o $@ $<

.PHONY: test-inject
test-inject: all $(INJECT)/lib/libos.elf $(INJECT)/bin/trigger ## seeded memory bugs: how many does the shipped build stop?
	@scripts/run-inject
