#!/bin/bash
# Standard streams that are a terminal: size and its changes, job control by ^Z and ^C, raw input. One
# role of the guest test pty_session sits at the terminal, another runs on it: first on Linux, then in an enclave.
# usage: console.sh [BUILD-DIR]
. "$(dirname "$0")/instance.sh"
pty=$build/test/musl/bin/pty_session limit=${TEST_TIMEOUT:-60}
timeout -k 5 "$limit" "$pty" --child terminal "$pty" --child console
echo "pass console on Linux"
"$top/scripts/run-tests" --libc musl pty_session # and makes the instance
cd "$build/test/musl/instance"
timeout -k 5 "$limit" "$pty" --child terminal "$build/bin/occlum" run /bin/pty_session --child console
echo "pass console in the LibOS"
