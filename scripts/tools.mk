# The command-line tools' companions: compiler wrappers, templates, installation.
TOOL_FILES := $(addprefix $(B)/bin/,occlum-gcc occlum-g++ occlum-ld) $(patsubst tools/%,$(B)/etc/%,$(wildcard tools/template/*))
all: $(TOOL_FILES) $(B)/bin/copy_bom

$(B)/bin/occlum-gcc $(B)/bin/occlum-g++ $(B)/bin/occlum-ld: $(B)/bin/%: tools/wrappers/%
	@mkdir -p $(@D)
	install -m 755 $< $@
$(B)/etc/template/%: tools/template/%
	@mkdir -p $(@D)
	install -m 644 $< $@

install: all ## install to PREFIX (default /opt/occlum; DESTDIR is honoured)
	install -d $(addprefix $(DESTDIR)$(PREFIX)/,bin lib etc/template share/bash-completion/completions)
	install -m 755 $(addprefix $(B)/bin/,occlum occlum-run occlum-fs copy_bom occlum-gcc occlum-g++ occlum-ld) \
	    $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(B)/lib/libos.elf $(DESTDIR)$(PREFIX)/lib
	install -m 644 tools/template/* $(DESTDIR)$(PREFIX)/etc/template
	$(B)/bin/occlum completion bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/occlum
	@echo 'Installed. For your shell: export PATH=$(PREFIX)/bin:$$PATH'

check-cli: all ## the tools end to end: new, init, build, run, print, errors
	test/tools/cli.sh $(B)
.PHONY: check-cli
