# Occlum in C. Sources are found by wildcard: a new file needs no line here. `make help` lists targets.
SHELL := /bin/bash
.SHELLFLAGS := -e -o pipefail -c
MAKEFLAGS += --no-builtin-rules
V ?= 0
Q := $(if $(filter 1,$(V)),,@)
.SUFFIXES:
.DELETE_ON_ERROR:
export LC_ALL := C
export SOURCE_DATE_EPOCH ?= 1700000000

# DEBUG=1: assert_dbg and lock order, in a build of its own
DEBUG  ?=
# TSAN=1: a kernel that finds its data races (scripts/race.mk), likewise
TSAN   ?=
B      := $(if $(TSAN),build/tsan,$(if $(DEBUG),build/debug,build))
PREFIX ?= $(or $(OCCLUM_PREFIX),/opt/occlum)
CLANG  ?= clang-19
LLD    ?= ld.lld-19
CC     := gcc

# ---- sources ---------------------------------------------------------------------------------------
find_c      = $(sort $(shell find $(1) -name '*.[cS]' ! -name '*_test.c' 2>/dev/null))
find_tests  = $(sort $(shell find $(1) -name '*_test.c' 2>/dev/null))
obj         = $(patsubst %,$(B)/$(1)/%.o,$(basename $(2)))

LIBOS_SRC   := $(filter-out libos/host/posix/% libos/host/fake/% libos/exec/vdso/%,$(call find_c,libos))
HOST_SRC    := $(call find_c,host)
TOOLLIB_SRC := $(call find_c,tools/lib)
OCCLUM_SRC  := $(call find_c,tools/occlum)
BOM_SRC     := $(call find_c,tools/copy_bom)

# ---- flags -----------------------------------------------------------------------------------------
DBG  := $(if $(DEBUG),-DDEBUG)
WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef \
        -Wpointer-arith -Wimplicit-fallthrough -Wno-unused-parameter
INC  := -I. -I$(B)/gen
MAP  := -ffile-prefix-map=$(CURDIR)=.

# The enclave: freestanding, general registers only, GS canary, trapping checks (DESIGN section 4). Optimised
# as a whole when it is linked: a spawn is 13 % faster.
LIBOS_CFLAGS := -std=gnu17 -O2 -g --target=x86_64-linux-gnu -ffreestanding -fPIE -mcmodel=small \
    -mgeneral-regs-only -mno-red-zone -fno-omit-frame-pointer -fno-strict-aliasing -fwrapv \
    -fno-delete-null-pointer-checks -fno-common -fvisibility=hidden -fcf-protection=none \
    -ftrivial-auto-var-init=zero -fstack-protector-strong -mstack-protector-guard=tls \
    -mstack-protector-guard-reg=gs -mstack-protector-guard-offset=40 \
    -fsanitize=bounds,object-size,null,shift-exponent,bool,unreachable,return,kcfi \
    -fsanitize-trap=all -fno-jump-tables -flto $(WARN) $(INC) $(MAP) $(DBG)
HOST_CFLAGS  := -std=gnu17 -O2 -g -fPIE -fno-strict-aliasing -fstack-protector-strong \
    -D_GNU_SOURCE -D_FORTIFY_SOURCE=2 $(WARN) $(INC) $(MAP)
# Static, and of tools/lib only what a program uses: the dynamic linker and the relocations of libcrypto
# would cost a start of `occlum run` a millisecond. `occlum` needs much of libcrypto, so it has a fixed
# address; occlum-run must stay out of the enclave's range. --no-warnings: libcrypto can look up host
# names, which static programs should not and these do not.
STATIC       := -Wl,--gc-sections,--no-warnings
TOOLS_LIBS   := $(patsubst %,-l:lib%.a,crypto jansson yaml)

# The LibOS as an ordinary process, for sanitizers, unit tests and fuzzers.
SAN          := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
UNIT_CFLAGS  := -std=gnu17 -O1 -g -D_GNU_SOURCE -fno-strict-aliasing -DOCCLUM_UNIT -DDEBUG $(WARN) $(INC)

# ---- targets ---------------------------------------------------------------------------------------
.PHONY: all help deps submodule check test test-glibc bench bench-fs install hello fuzz clean format
all: $(B)/lib/libos.elf $(B)/bin/occlum-run $(B)/bin/occlum ## build everything into build/

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | expand -t 16

deps: ## install the Debian packages that building and testing need (as root)
	scripts/deps
submodule: deps ## alias of deps

-include $(wildcard scripts/*.mk)

# generated tables: a macro at the start of a line registers (scripts/gen-tables)
GEN := $(B)/gen/.stamp
$(GEN): scripts/gen-tables $(LIBOS_SRC) $(OCCLUM_SRC) $(call find_tests,libos host tools) abi/hostcalls.def
	@mkdir -p $(B)/gen
	scripts/gen-tables $(B)/gen/new
	@cd $(B)/gen && for f in new/*; do cmp -s $$f $${f#new/} || mv $$f .; done; rm -r new
	@touch $@
# only tables that changed are newer than what was made of them
$(B)/gen/%.c: $(GEN)
	@:
.PRECIOUS: $(B)/gen/%.c

# ---- the enclave -----------------------------------------------------------------------------------
# Code that no fast path enters is made small: each page of the image costs every start 8 us.
SMALL_DIRS := boot fs/cowfs fs/hostfs fs/proc fs/tty ipc net
$(foreach d,$(SMALL_DIRS),$(eval $(B)/libos/libos/$(d)/%.o: SMALL := -Os))
LIBOS_OBJ := $(call obj,libos,$(LIBOS_SRC)) $(B)/libos/gen/tables.o
$(B)/libos/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(LIBOS_CFLAGS) $(SMALL) $(RACE) -MMD -MP -c $< -o $@
$(B)/libos/%.o: %.S Makefile
	@mkdir -p $(@D)
	$(Q)$(CLANG) --target=x86_64-linux-gnu -g $(INC) $(MAP) -MMD -MP -c $< -o $@
$(B)/libos/gen/tables.o: $(B)/gen/tables.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(LIBOS_CFLAGS) -MMD -MP -c $(B)/gen/tables.c -o $@
IPSEC_A   := $(firstword $(wildcard /usr/lib/x86_64-linux-gnu/libIPSec_MB.a /usr/lib/libIPSec_MB.a))
# Of AES-GCM the enclave has the SSE form (AES-NI and PCLMULQDQ) under all names: the wider ones are 690 KB,
# and each page of the image costs every start 8 us. Unit tests link and test all three.
GCM_SSE   := $(foreach v,avx_gen4 vaes_avx512,$(foreach f,precomp enc dec,--defsym=aes_gcm_$(f)_256_$(v)=aes_gcm_$(f)_256_sse))
# Linked twice: the symbol table for backtraces comes from the first link.
LIBOS_LINK = $(LLD) -static -nostdlib --gc-sections --build-id=none -z noexecstack -z separate-code \
    --fatal-warnings --lto-O2 -mllvm -relocation-model=pic -mllvm -inline-threshold=225 $(GCM_SSE) \
    $(RACE_LINK) -T libos/boot/libos.ld -o $@ $(filter %.o,$^) $(ZYDIS_A) $(IPSEC_A)
$(B)/libos/gen/symbols0.S: scripts/gen-symbols
	@mkdir -p $(@D)
	$(Q)scripts/gen-symbols > $@
$(B)/libos/gen/symbols.S: $(B)/lib/libos-first.elf scripts/gen-symbols
	$(Q)scripts/gen-symbols $< > $@
$(B)/libos/gen/%.o: $(B)/libos/gen/%.S
	$(Q)$(CLANG) --target=x86_64-linux-gnu -c $< -o $@
$(B)/lib/libos-first.elf: $(LIBOS_OBJ) $(B)/libos/gen/symbols0.o $(ZYDIS_A) libos/boot/libos.ld
	@mkdir -p $(@D)
	$(Q)$(LIBOS_LINK)
$(B)/lib/libos.elf: $(LIBOS_OBJ) $(B)/libos/gen/symbols.o $(ZYDIS_A) libos/boot/libos.ld
	$(Q)$(LIBOS_LINK)

# ---- the host runtime and the tools ----------------------------------------------------------------
$(B)/host/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(HOST_CFLAGS) -MMD -MP -c $< -o $@
$(B)/host/%.o: %.S Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) -g -fPIE $(INC) -MMD -MP -c $< -o $@
$(B)/host/tools-lib.a: $(call obj,host,$(TOOLLIB_SRC))
	$(Q)rm -f $@ && ar rcsD $@ $^
$(B)/bin/occlum-run: $(call obj,host,$(HOST_SRC)) $(B)/host/tools-lib.a
	@mkdir -p $(@D)
	$(Q)$(CC) -static-pie $(STATIC) -pthread -o $@ $^ $(TOOLS_LIBS)
$(B)/bin/occlum: $(call obj,host,$(OCCLUM_SRC)) $(B)/host/gen/commands.o $(B)/host/tools-lib.a
	@mkdir -p $(@D)
	$(Q)$(CC) -static -no-pie $(STATIC) -o $@ $^ $(TOOLS_LIBS)
$(B)/bin/copy_bom: $(call obj,host,$(BOM_SRC) $(TOOLLIB_SRC))
	@mkdir -p $(@D)
	$(Q)$(CC) -pie -o $@ $^ $(TOOLS_LIBS)
$(B)/host/gen/%.o: $(B)/gen/%.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(HOST_CFLAGS) -c $(B)/gen/$*.c -o $@

clean: ## remove build/
	rm -rf $(B)

-include $(shell find $(B) -path '$(B)/test/apps' -prune -o -name '*.d' -type f -print 2>/dev/null)
