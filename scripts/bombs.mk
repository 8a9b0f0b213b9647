# Processes that take all they can get, in an instance with a small kernel.
.PHONY: test-bombs
test-bombs: $(GUEST_NEEDS) $(B)/test/musl/bin/bombs ## each takes all of a small kernel's memory; everything comes back
	@test/tools/bombs.sh $(B)
