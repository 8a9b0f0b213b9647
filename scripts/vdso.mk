# The vDSO: guest code, linked as a small shared object and embedded in the kernel (exec/vdso_blob.S).
VDSO_CFLAGS := -std=gnu17 -O2 --target=x86_64-linux-gnu -ffreestanding -fPIC -mgeneral-regs-only \
    -fno-stack-protector -fcf-protection=none -fno-builtin -fasynchronous-unwind-tables \
    -fomit-frame-pointer -fno-semantic-interposition $(WARN) -I. $(MAP)

$(B)/gen/vdso/%.o: libos/exec/vdso/%.c Makefile scripts/vdso.mk
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(VDSO_CFLAGS) -MMD -MP -c $< -o $@
$(B)/gen/vdso/%.o: libos/exec/vdso/%.S Makefile scripts/vdso.mk
	@mkdir -p $(@D)
	$(Q)$(CLANG) --target=x86_64-linux-gnu -I. $(MAP) -MMD -MP -c $< -o $@
$(B)/gen/vdso.so: $(B)/gen/vdso/entry.o $(B)/gen/vdso/vdso.o libos/exec/vdso/vdso.ld libos/exec/vdso/vdso.map
	$(Q)$(LLD) -shared -Bsymbolic -s -z text --hash-style=both --eh-frame-hdr --build-id=none \
	    --no-undefined -soname linux-vdso.so.1 --version-script libos/exec/vdso/vdso.map \
	    -T libos/exec/vdso/vdso.ld -o $@ $(filter %.o,$^)
$(B)/libos/libos/exec/vdso_blob.o: $(B)/gen/vdso.so
