# The packages the build needs are installed by the first make (scripts/deps). As an included makefile
# the stamp is made before anything else, and make then starts over, so that what it looks for on this
# machine (compilers, libraries) is looked for again.
ifneq ($(filter-out help deps submodule clean format,$(or $(MAKECMDGOALS),all)),)
include $(B)/deps.mk
endif
$(B)/deps.mk: scripts/deps $(wildcard test/apps/packages scripts/fetch-zydis)
	@scripts/deps --stamp $@
