# occlum-fs: the kernel's file-system objects in an ordinary process, for `occlum ls`, cat, cp, fsck, mount and key. What the
# kernel gives them there, libos/host/posix/ gives them here; functions that are never reached end the program
# (scripts/unit-link).
OFFLINE_SRC := $(call find_c,tools/offline) libos/base/smp.c libos/base/log.c libos/base/printf.c libos/base/string.c \
    $(filter-out %/volume.c %/keys.c %/service.c,$(call find_c,libos/fs/cowfs)) $(call find_c,libos/fs/union) \
    $(filter-out %/rootimg.c,$(call find_c,libos/fs/rootimg)) \
    $(filter-out %/ipsec_libc.c,$(call find_c,libos/crypto)) \
    $(addprefix libos/vfs/,inode.c lock.c mmap.c pagecache.c pageclock.c pageflush.c pagehome.c pageload.c pagetree.c writeback.c) \
    $(addprefix libos/host/posix/,arch.c heap.c panic.c sched.c sync.c)
OFFLINE_OBJ := $(patsubst %.c,$(B)/offline/%.o,$(OFFLINE_SRC))
OFFLINE_CFLAGS := -std=gnu17 -O2 -g -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -fno-strict-aliasing -fstack-protector-strong \
    -DOCCLUM_UNIT $(WARN) $(INC) $(MAP)

all: $(B)/bin/occlum-fs
$(B)/offline/%.o: %.c Makefile scripts/offline.mk
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(OFFLINE_CFLAGS) $(if $(findstring mount,$<),-I/usr/include/fuse3) -MMD -MP -c $< -o $@
$(B)/bin/occlum-fs: $(OFFLINE_OBJ) $(B)/host/tools-lib.a
	@mkdir -p $(@D)
	$(Q)scripts/unit-link $@ $(OFFLINE_OBJ) -- $(CLANG) -fuse-ld=lld -Wl,--gc-sections $(B)/host/tools-lib.a $(IPSEC_A) \
	    -lfuse3 -lcrypto -l:libjansson.a -lpthread
