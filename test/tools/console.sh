#!/bin/bash
# Standard streams that are a terminal: size and its changes, job control by ^Z and ^C, raw input. One
# role of the guest test pty_session sits at the terminal, another runs on it: first on Linux, then in an enclave.
# usage: console.sh [BUILD-DIR]
set -euo pipefail
export LC_ALL=C
top=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${1:-$top/build}" && pwd)
pty=$build/test/musl/bin/pty_session
limit=${TEST_TIMEOUT:-60}
if [ -z "${SGX_MODE:-}" ] && [ ! -e /dev/sgx_enclave ]; then
    export SGX_MODE=SIM
fi
export OCCLUM_QUIET=1
timeout -k 5 "$limit" "$pty" --child terminal "$pty" --child console
echo "pass console on Linux"
"$top/scripts/run-tests" --libc musl pty_session # and makes the instance
cd "$build/test/musl/instance"
timeout -k 5 "$limit" "$pty" --child terminal "$build/bin/occlum" run /bin/pty_session --child console
echo "pass console in the LibOS"
