# The four steps of the README, typed for you.
hello: all ## build everything and run Hello World in an enclave (build/hello)
	@scripts/make-hello
