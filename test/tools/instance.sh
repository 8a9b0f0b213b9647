# To be sourced by the tests here, whose first argument is the build directory (without one: build). Gives them $top
# and $build, the tools in PATH, simulation where there is no SGX, a directory $dir that goes at the end, and what
# instances are made and tried with. The files out and err in $dir are what the last command said.
# shellcheck shell=bash
set -euo pipefail
export LC_ALL=C OCCLUM_QUIET=1
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=$(cd "${1:-$top/build}" && pwd)
PATH=$build/bin:$PATH
[ -n "${SGX_MODE:-}" ] || [ -e /dev/sgx_enclave ] || export SGX_MODE=SIM
test=$(basename "$0" .sh)
dir=$(mktemp -d -t "occlum-$test.XXXXXX")
: > "$dir/out"
: > "$dir/err"
pid= # in_background
at_end() { :; } # for a test to define anew: what has to end before $dir can go
trap 'at_end || true; [ -z "$pid" ] || end_it; rm -rf "$dir"' EXIT

fail() { # WORDS...
    echo "FAIL $test: $*" >&2
    tail -n 20 "$dir/err" | sed 's/^/    /' >&2
    exit 1
}
refused() { # WORDS COMMAND...: it fails, soon, and says so
    local words=$1
    shift
    ! timeout -k 1 60 "$@" > "$dir/out" 2> "$dir/err" < /dev/null || fail "not refused: $*"
    grep -q "$words" "$dir/err" || fail "no word of \"$words\": $*"
}
in_background() { # COMMAND...: it has printed "ready"; $pid is its process
    local n
    : > "$dir/background"
    "$@" > "$dir/background" 2>&1 &
    pid=$!
    for ((n = 0; n < 200; n++)); do
        ! grep -q ready "$dir/background" || return 0
        sleep 0.1
    done
    fail "not ready: $*: $(cat "$dir/background")"
}
end_it() {
    kill -9 "$pid" 2> /dev/null || true
    wait "$pid" 2> /dev/null || true
    pid=
}
instance() { # NAME [PROGRAM...]: a new one in $dir, with programs of test/tools; it is the current directory
    occlum new "$dir/$1" > /dev/null
    cd "$dir/$1"
    shift
    local program
    for program; do occlum-gcc -O2 -Wall -o "image/bin/$program" "$top/test/tools/$program.c"; done
}
configure() { # SED-SCRIPT: changes Occlum.json
    cp Occlum.json "$dir/before"
    sed -i "$1" Occlum.json
    ! cmp -s Occlum.json "$dir/before" || fail "changes nothing: $1"
}
add_mount() { # TEXT: to Occlum.json
    configure "s|\"target\": \"/host\",|$1 }, { &|"
}
