#!/bin/bash
# The freshness service: a volume that is put back is refused, and so is a start whose service is not there, is another
# one, or forgot the volume; a service that starts again is waited for.
# usage: anchor.sh BUILD-DIR
. "$(dirname "$0")/instance.sh"
server=
end_service() { [ -z "$server" ] || { kill "$server"; wait "$server" 2> /dev/null || true; server=; }; }
at_end() { end_service; }
instance i keeper
gcc -O1 -Wall -Wno-deprecated-declarations -I"$top" -o "$dir/anchord" "$top/test/tools/anchord.c" -lcrypto
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
configure 's/"type": "cowfs"/&, "options": { "anchor": "service" }/'
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
in_background occlum run /bin/keeper hold
end_it
[ "$(occlum run /bin/keeper count 2> "$dir/err")" = 4 ] || fail "after a killed program"
(sleep 0.7; exec "$dir/anchord" run/anchors/service "$dir/table" "$dir/service-key" 2> /dev/null) &
end_service
server=$!
[ "$(occlum run /bin/keeper count 2> "$dir/err")" = 5 ] || fail "a service that starts again"
echo "pass anchor"
