#!/bin/bash
# A host that sends no ticks at all: timers fire and processes share a vCPU as long as they make system calls.
# usage: noticks.sh BUILD-DIR
. "$(dirname "$0")/instance.sh"
instance i noticks
occlum build > /dev/null
for cpus in 1 2; do
    out=$(timeout -k 5 60 occlum-run -i . -c $cpus --tick 0 -- /bin/noticks) || fail "$cpus vCPUs: status $?, output: $out"
    [ "$out" = $'alarm\nkilled' ] || fail "$cpus vCPUs: $out"
done
echo "pass noticks"
