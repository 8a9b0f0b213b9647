# The kernel's scanner of patch sites, built for the outside: `occlum build` makes the table with it.
# Debian has Zydis only as a shared library, so its decoder is compiled here as well.
SITES_OBJ := $(call obj,host,$(addprefix libos/exec/,sites.c sites_elf.c sitefile.c insn.c elf.c)) \
             $(patsubst %,$(B)/host/zydis/%.o,Decoder DecoderData SharedData)
HOST_ZYDIS := $(filter-out $(WARN) $(INC),$(HOST_CFLAGS)) $(filter -DZY% -DNDEBUG,$(ZYDIS_CFLAGS)) \
              -I$(ZYDIS_SRC)/include -I$(ZYDIS_SRC)/src -ffile-prefix-map=$(ZYDIS_SRC)=zydis
$(B)/bin/occlum: $(SITES_OBJ)
$(B)/host/zydis/%.o: $(ZYDIS_SRC)/src/%.c Makefile scripts/zydis_host.mk
	@mkdir -p $(@D)
	$(CC) $(HOST_ZYDIS) -w -c $< -o $@
