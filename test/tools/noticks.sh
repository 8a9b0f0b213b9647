#!/bin/bash
# A host that sends no ticks at all: timers fire and processes share a vCPU as long as they make system calls.
# usage: noticks.sh BUILD-DIR
set -euo pipefail
export LC_ALL=C OCCLUM_QUIET=1
cd "$(dirname "$0")/../.."
build=$PWD/$1
PATH=$build/bin:$PATH
[ -n "${SGX_MODE:-}" ] || [ -e /dev/sgx_enclave ] || export SGX_MODE=SIM
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "FAIL noticks: $*" >&2; exit 1; }
occlum new "$dir/i" > /dev/null
occlum-gcc -O2 -Wall -o "$dir/i/image/bin/noticks" test/tools/noticks.c
cd "$dir/i"
occlum build > /dev/null
for cpus in 1 2; do
    out=$(timeout -k 5 60 occlum-run -i . -c $cpus --tick 0 -- /bin/noticks) || fail "$cpus vCPUs: status $?, output: $out"
    [ "$out" = $'alarm\nkilled' ] || fail "$cpus vCPUs: $out"
done
echo "pass noticks"
