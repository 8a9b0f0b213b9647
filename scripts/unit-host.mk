# Unit tests of host/ and tools/: *_test.c beside the code, run against a tiny enclave of their own.
.PHONY: check-host
UNIT_LIBS := -lcmocka -lz $(TOOLS_LIBS)

check-host: $(B)/unit/host-test $(B)/unit/tools-test ## unit tests of the host runtime and the tools
	$(B)/unit/tools-test
	$(B)/unit/host-test
	OCCLUM_SIM=strict $(B)/unit/host-test

# The runtime's own main() makes way for that of the tests.
HOST_UNIT_OBJ := $(call obj,host,$(filter-out host/main.c,$(HOST_SRC)) $(TOOLLIB_SRC)) \
                 $(if $(filter host/main.c,$(HOST_SRC)),$(B)/unit/host/main.o)
$(B)/unit/host/main.o: $(B)/host/host/main.o
	@mkdir -p $(@D)
	objcopy --redefine-sym main=host_main $< $@

$(B)/unit/host-test: $(call obj,host,$(call find_tests,host) test/unit/main.c test/unit/probe.c) \
    $(HOST_UNIT_OBJ) \
    $(B)/host/gen/tests_host.o $(B)/unit/enclave.elf
	@mkdir -p $(@D)
	$(CC) -pie -pthread -o $@ $(filter %.o,$^) $(UNIT_LIBS)
ENCLAVE_CFLAGS := -std=gnu17 -O2 -ffreestanding -fPIE -mgeneral-regs-only -mno-red-zone \
    -fno-stack-protector -fcf-protection=none -fno-tree-loop-distribute-patterns $(WARN) $(INC)
$(B)/unit/enclave/%.o: test/enclave/%.c Makefile scripts/unit-host.mk
	@mkdir -p $(@D)
	$(CC) $(ENCLAVE_CFLAGS) -MMD -MP -c $< -o $@
$(B)/unit/enclave/%.o: test/enclave/%.S Makefile scripts/unit-host.mk
	@mkdir -p $(@D)
	$(CC) $(INC) -MMD -MP -c $< -o $@
$(B)/unit/enclave.elf: $(B)/unit/enclave/entry.o $(B)/unit/enclave/command.o test/enclave/enclave.ld
	ld -static -nostdlib --build-id=none -z noexecstack -T test/enclave/enclave.ld -o $@ $(filter %.o,$^)
