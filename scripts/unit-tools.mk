# Unit tests of the tools under ASan and UBSan, with the kernel's configuration reader as the other end
# of the binary configuration. Objects are those of scripts/unit-libos.mk; new tests need no line here.
TOOLS_UNIT_SRC  := $(filter-out %/main.c,$(TOOLLIB_SRC) $(BOM_SRC)) tools/occlum/processes.c \
                   libos/boot/config.c libos/boot/config_policy.c
TOOLS_UNIT_OBJ  := $(patsubst %.c,$(B)/unit/%.o,$(TOOLS_UNIT_SRC) $(call find_tests,tools)) \
                   $(B)/unit/gen/tests_tools.o $(B)/unit/test/unit/main.o
$(B)/unit/tools-test: $(TOOLS_UNIT_OBJ) $(B)/unit/enclave.elf
	$(CLANG) $(SAN) -o $@ $(filter %.o,$^) $(UNIT_LIBS)

.PHONY: check-tools
check-tools: $(B)/unit/tools-test ## unit tests of the tools under ASan and UBSan (T=substring picks)
	UBSAN_OPTIONS=print_stacktrace=1 $(B)/unit/tools-test $(if $(T),'*$(T)*')
