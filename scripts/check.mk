# make check: everything that needs no enclave to run. Each check is a script that can be run by hand.
.PHONY: check-format check-layers check-unsafe check-source check-opcodes check-docs check-unit
STATIC_CHECKS := check-layers check-source check-format check-unsafe check-docs
check: $(STATIC_CHECKS) $(if $(wildcard libos/boot/libos.ld),check-opcodes) check-unit ## format, layers, unsafe list, opcodes, docs, unit tests; under two minutes

check-format:
	@scripts/check-format
check-layers:
	@scripts/check-layers
check-source:
	@scripts/check-source
check-unsafe: $(B)/gen/.stamp
	@scripts/check-unsafe $(CLANG) $(LIBOS_CFLAGS) $(ZYDIS_INC)
check-docs: $(B)/gen/.stamp
	@scripts/check-docs
check-opcodes: $(B)/lib/libos.elf
	@scripts/check-opcodes $<
# of the LibOS as a process, of the host runtime, of the tools
check-unit: check-libos check-host check-tools

format: ## reformat the sources with the pinned clang-format
	scripts/check-format --fix
docs: ## regenerate docs/syscalls.md
	scripts/gen-syscall-doc > docs/syscalls.md
.PHONY: docs format
