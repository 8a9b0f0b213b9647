#!/bin/bash
# The freshness service: a volume that is put back is refused, and so is a start whose service is not there, is another
# one, or forgot the volume; a service that starts again is waited for.
# usage: anchor.sh BUILD-DIR
set -euo pipefail
export LC_ALL=C OCCLUM_QUIET=1
cd "$(dirname "$0")/../.."
build=$PWD/$1
PATH=$build/bin:$PATH
[ -n "${SGX_MODE:-}" ] || [ -e /dev/sgx_enclave ] || export SGX_MODE=SIM
dir=$(mktemp -d)
server=
end_service() { [ -z "$server" ] || { kill "$server"; wait "$server" 2> /dev/null || true; server=; }; }
trap 'end_service; rm -rf "$dir"' EXIT
: > "$dir/err"
fail() { echo "FAIL anchor: $*" >&2; sed 's/^/    /' "$dir/err" >&2; exit 1; }
refused() { # WORDS COMMAND...
    local words=$1
    shift
    ! "$@" > "$dir/out" 2> "$dir/err" || fail "not refused: $*"
    grep -q "$words" "$dir/err" || fail "no word of \"$words\": $*"
}
gcc -O1 -Wall -Wno-deprecated-declarations -I. -o "$dir/anchord" test/tools/anchord.c -lcrypto
occlum new "$dir/i" > /dev/null
occlum-gcc -O2 -Wall -o "$dir/i/image/bin/keeper" test/tools/keeper.c
cd "$dir/i"
service() { # TABLE
    end_service
    "$dir/anchord" run/anchors/service "$dir/$1" "$dir/service-key" 2> "$dir/service.err" &
    server=$!
    for ((n = 0; n < 100; n++)); do [ -S run/anchors/service ] && return; sleep 0.05; done
    fail "the service: $(cat "$dir/service.err")"
}
occlum gen-image-key "$dir/key"
occlum gen-image-key "$dir/other"
occlum key --key "$dir/key" service-key "$dir/service-key" || fail "service-key"
sed -i 's/"type": "cowfs"/&, "options": { "anchor": "service" }/' Occlum.json
occlum build --volume-key "$dir/key" > /dev/null
mkdir -p run/anchors
refused 'does not answer' occlum run --volume-key "$dir/key" /bin/keeper verify
service table
refused "user's key to register" occlum run /bin/keeper count
[ ! -s run/volumes/root ] || fail "a volume was made that no service knows"
[ "$(occlum run --volume-key "$dir/key" /bin/keeper count 2> "$dir/err")" = 1 ] || fail "the first start"
cp run/volumes/root "$dir/old"
[ "$(occlum run /bin/keeper count 2> "$dir/err")" = 2 ] || fail "the second start"
cp run/volumes/root "$dir/new"
cp "$dir/old" run/volumes/root
refused 'put an old state back' occlum run /bin/keeper count
refused 'put an old state back' occlum run --volume-key "$dir/key" /bin/keeper count
cmp "$dir/old" run/volumes/root || fail "a refused volume was written"
service empty # one that has no table: the volume is not known there
refused "user's key to register" occlum run /bin/keeper count
service table
rm run/volumes/root && : > run/volumes/root.new # an empty volume in its place
refused 'put an old state back' occlum run --volume-key "$dir/key" /bin/keeper count
rm -f run/volumes/root.new
cp "$dir/new" run/volumes/root
end_service
refused 'does not answer' occlum run /bin/keeper count
service table
[ "$(occlum run /bin/keeper count 2> "$dir/err")" = 3 ] || fail "once the service is back"
mv "$dir/service-key" "$dir/mine"
occlum key --key "$dir/other" service-key "$dir/service-key"
service stranger # of somebody else, with another key
refused "user's key to register" occlum run /bin/keeper count
refused 'is not its freshness service' occlum run --volume-key "$dir/key" /bin/keeper count
mv "$dir/mine" "$dir/service-key"

# ---- while a program runs: a short absence is waited for, a long one is EIO and never a false promise
service table
occlum run /bin/keeper hold > "$dir/out" 2>&1 &
program=$!
for ((n = 0; n < 200; n++)); do grep -q ready "$dir/out" && break; sleep 0.1; done
kill -9 $program; wait $program 2> /dev/null || true
[ "$(occlum run /bin/keeper count 2> "$dir/err")" = 4 ] || fail "after a killed program"
(sleep 0.7; exec "$dir/anchord" run/anchors/service "$dir/table" "$dir/service-key" 2> /dev/null) &
end_service
server=$!
[ "$(occlum run /bin/keeper count 2> "$dir/err")" = 5 ] || fail "a service that starts again"
echo "pass anchor"
