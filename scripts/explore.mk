# Interleavings of the kernel's concurrent protocols (test/vcpus); S picks a scenario.
.PHONY: explore explore-mutants
explore: $(B)/gen/.stamp ## enumerate interleavings of scheduler, wait queues, timers, futexes, fork's turns (S=scenario)
	@scripts/explore $(B) $(S)
explore-mutants: $(B)/gen/.stamp ## seeded concurrency bugs that make explore has to find
	@scripts/explore $(B) --mutants
