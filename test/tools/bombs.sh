#!/bin/bash
# The guest test bombs in an instance whose kernel has 64 MB: there each bomb takes all of it.
# usage: bombs.sh [BUILD-DIR]
. "$(dirname "$0")/instance.sh"
instance i
"$top/scripts/copy-elf" "$PWD/image" "$build/test/musl/bin/bombs=/bin/bombs"
configure 's/"user_space_size": "[^"]*"/"user_space_size": "512MB", "kernel_space_heap_max_size": "64MB"/'
occlum build > /dev/null 2> "$dir/err" || fail build
timeout -k 5 "${TEST_TIMEOUT:-300}" occlum run /bin/bombs "${@:2}"
