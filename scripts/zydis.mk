# The decoder of Zydis, compiled from Debian's source with the enclave's flags (scripts/fetch-zydis).
ZYDIS_SRC ?= /usr/src/occlum-zydis
ZYDIS_OBJ := $(patsubst %,$(B)/libos/zydis/%.o,Decoder DecoderData SharedData)
ZYDIS_A   := $(B)/libos/zydis/libzydis.a
ZYDIS_CFLAGS := $(filter-out -flto $(WARN) $(INC),$(LIBOS_CFLAGS)) -w -DNDEBUG -DZYAN_NO_LIBC -DZYDIS_NO_LIBC \
    -DZYDIS_STATIC_BUILD -DZYCORE_STATIC_BUILD -DZYDIS_MINIMAL_MODE -DZYDIS_DISABLE_FORMATTER \
    -DZYDIS_DISABLE_ENCODER -I$(ZYDIS_SRC)/include -I$(ZYDIS_SRC)/src \
    -ffile-prefix-map=$(ZYDIS_SRC)=zydis

$(B)/libos/zydis/%.o: $(ZYDIS_SRC)/src/%.c Makefile scripts/zydis.mk
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(ZYDIS_CFLAGS) -c $< -o $@
$(ZYDIS_SRC)/src/%.c:
	scripts/fetch-zydis
$(ZYDIS_A): $(ZYDIS_OBJ)
	@rm -f $@
	$(Q)llvm-ar-19 rcsD $@ $^
