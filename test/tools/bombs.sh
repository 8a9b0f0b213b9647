#!/bin/bash
# The guest test bombs in an instance whose kernel has 64 MB: there each bomb takes all of it.
# usage: bombs.sh [BUILD-DIR]
set -euo pipefail
export LC_ALL=C OCCLUM_QUIET=1
top=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${1:-$top/build}" && pwd)
if [ -z "${SGX_MODE:-}" ] && [ ! -e /dev/sgx_enclave ]; then
    export SGX_MODE=SIM
fi
dir=$build/test/bombs
rm -rf "$dir"
"$build/bin/occlum" new "$dir" > /dev/null
"$top/scripts/copy-elf" "$dir/image" "$build/test/musl/bin/bombs=/bin/bombs"
cd "$dir"
sed -i 's/"user_space_size": "[^"]*"/"user_space_size": "512MB", "kernel_space_heap_max_size": "64MB"/' Occlum.json
"$build/bin/occlum" build > build.log 2>&1 || { tail -n 20 build.log >&2; exit 2; }
timeout -k 5 "${TEST_TIMEOUT:-300}" "$build/bin/occlum" run /bin/bombs "${@:2}"
