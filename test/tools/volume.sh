#!/bin/bash
# The encrypted volume that "/" is written to, over several starts: data survives, also a build;
# programs that only read run side by side; what the host destroys is an error and never a new empty volume.
# usage: volume.sh BUILD-DIR
. "$(dirname "$0")/instance.sh"
instance i keeper
occlum build > /dev/null
occlum run /bin/keeper verify > /dev/null || fail "a program that writes nothing"
in_background occlum run /bin/keeper sleep
occlum run /bin/keeper count > /dev/null 2>&1 && fail "a volume was made beside another program that has it open"
end_it
[ -e run/volumes/root.new ] && [ ! -s run/volumes/root.new ] || fail "a volume was made though nothing was written"
[ "$(occlum run /bin/keeper count)" = 1 ] || fail "the first start"
[ "$(occlum run /bin/keeper count)" = 2 ] || fail "the second start does not see the first one's file"
echo more > image/etc/more
occlum build > /dev/null
[ "$(occlum run /bin/keeper count)" = 3 ] || fail "a build lost data"
[ "$(occlum run /bin/keeper image)" = more ] || fail "the new image does not show"
# ---- numbers of files stay over copy-up and starts, and are each file's own over a new image
number=$(occlum run /bin/keeper number) || fail "numbers: $number"
[ "$(occlum run /bin/keeper number change)" = "$number" ] || fail "the number of a file that is copied up"
[ "$(occlum run /bin/keeper number)" = "$number" ] || fail "the number of a file that was copied up before"
for n in 1 2 3; do echo "$n" > "image/etc/another$n"; done
rm image/etc/more
occlum build > /dev/null
occlum run /bin/keeper number > "$dir/out" || fail "numbers over a new image: $(cat "$dir/out")"
[ "$(occlum run /bin/keeper image)" = "$(printf 'more\n+')" ] || fail "the changed file over a new image"
grep -aq 'a text that the host must not see' run/volumes/root && fail "the host can read it"

# ---- the same with an image that is encrypted
instance own keeper
occlum gen-image-key my_key
occlum build --image-key my_key > /dev/null
for n in 1 2 3; do
    [ "$(occlum run --image-key my_key /bin/keeper count)" = $n ] || fail "own-key image, start $n"
done

# ---- a union of three layers at another place, with a volume of its own
instance three keeper
layers='{ "target": "/", "type": "rootimg" }, { "target": "/", "type": "ramfs" }, { "target": "/", "type": "cowfs", "source": "three" }'
add_mount "\"target\": \"/data\", \"type\": \"unionfs\", \"options\": { \"layers\": [ $layers ] }"
occlum build > /dev/null
[ -e run/volumes/three.new ] && [ "$(occlum run /bin/keeper count)" = 1 ] && [ "$(occlum run /bin/keeper data 6)" = 6 ] &&
    [ -s run/volumes/three ] && [ "$(occlum run /bin/keeper show-data)" = 6 ] || fail "a union of three layers"
cd "$dir/i"

# ---- several `occlum run` at once: readers share, whoever changes something is alone
cp run/volumes/root "$dir/copy"
in_background occlum run /bin/keeper sleep
occlum run /bin/keeper verify > /dev/null 2> "$dir/err" || fail "a second reader"
cmp run/volumes/root "$dir/copy" || fail "readers changed the volume"
refused 'another program of this instance is running' occlum run /bin/keeper count
cmp run/volumes/root "$dir/copy" || fail "a refused change was written"
end_it
occlum run /bin/keeper count > /dev/null || fail "a change once the reader has ended"
in_background occlum run /bin/keeper hold
refused 'has changed it and is still running' occlum run /bin/keeper verify
end_it

cp run/volumes/root "$dir/copy"
printf 'xxxxxxxx' | dd of=run/volumes/root conv=notrunc bs=1 2> /dev/null
printf 'xxxxxxxx' | dd of=run/volumes/root conv=notrunc bs=1 seek=4096 2> /dev/null
refused 'changed from outside' occlum run /bin/keeper count
rm run/volumes/root
occlum build > /dev/null
refused 'nothing is made in its place' occlum run /bin/keeper count
[ ! -e run/volumes/root ] || fail "a file appeared"
cp "$dir/copy" run/volumes/root
occlum run /bin/keeper verify > /dev/null || fail "the copy put back"
# ---- the user's key: a slot of its own, a way back into a volume of another signer, and a change of keys
occlum gen-image-key "$dir/key"
occlum gen-image-key "$dir/next"
occlum build --volume-key "$dir/key" > /dev/null
before=$(occlum run --volume-key "$dir/key" /bin/keeper count) || fail "a start with the user's key"
refused EKEYREJECTED occlum run --volume-key "$dir/next" /bin/keeper count
refused EKEYREJECTED occlum-run --image-key "$dir/next" -- /bin/keeper count
[ "$(occlum run /bin/keeper count)" = $((before + 1)) ] || fail "a start without the user's key"
openssl genrsa -3 -out "$dir/signer.pem" 3072 2> /dev/null
occlum build --volume-key "$dir/key" --sign-key "$dir/signer.pem" > /dev/null
refused 'another signer' occlum run /bin/keeper count
[ "$(occlum run --volume-key "$dir/key" /bin/keeper count)" = $((before + 2)) ] || fail "no way back with the key"
[ "$(occlum run /bin/keeper count)" = $((before + 3)) ] || fail "not sealed to the new signer"
occlum build --volume-key "$dir/next" --sign-key "$dir/signer.pem" > /dev/null
occlum run --volume-key "$dir/next" /bin/true 2> /dev/null || true # changes the slot; the program does not matter
occlum build --volume-key "$dir/key" > /dev/null # the first signer again, with the key that is no more
refused 'another signer' occlum run --volume-key "$dir/key" /bin/keeper count
occlum build --volume-key "$dir/next" > /dev/null
[ "$(occlum run --volume-key "$dir/next" /bin/keeper count)" = $((before + 4)) ] || fail "the new key does not open it"
# ---- a freshness anchor: what was put back is refused, with whatever the host does to the anchor but the same
configure 's/"type": "cowfs"/&, "options": { "anchor": "sometimes" }/'
refused 'no freshness anchor; allowed: none, file, service' occlum build --volume-key "$dir/next"
configure 's/"sometimes"/"file"/'
occlum build --volume-key "$dir/next" > /dev/null
at=$(occlum run /bin/keeper count) || fail "a start with an anchor"
[ -s run/anchors/root ] || fail "no anchor was made"
cp run/volumes/root "$dir/old"
cp run/anchors/root "$dir/old-anchor"
[ "$(occlum run /bin/keeper count)" = $((at + 1)) ] || fail "a second start with an anchor"
cp run/volumes/root "$dir/new"
cp run/anchors/root "$dir/new-anchor"
cp "$dir/old" run/volumes/root
refused 'put an old state back' occlum run /bin/keeper count
cmp "$dir/old" run/volumes/root || fail "a refused volume was written"
rm run/anchors/root
refused 'put an old state back' occlum run /bin/keeper count
cp "$dir/new" run/volumes/root
refused 'put an old state back' occlum run /bin/keeper count
cp "$dir/old-anchor" run/anchors/root # the volume is ahead: the last advance might have been lost
[ "$(occlum run /bin/keeper count)" = $((at + 2)) ] || fail "a volume ahead of its anchor"
rm run/volumes/root && : > run/volumes/root.new
refused 'put an old state back' occlum run /bin/keeper count # no empty one in its place
rm -f run/volumes/root.new
cp "$dir/new" run/volumes/root
cp "$dir/new-anchor" run/anchors/root
mkdir "$dir/trusted" && mv run/anchors/root "$dir/trusted" && rmdir run/anchors && ln -s "$dir/trusted" run/anchors
[ "$(occlum run /bin/keeper count)" = $((at + 2)) ] || fail "an anchor on other storage"
cmp -s "$dir/new-anchor" "$dir/trusted/root" && fail "the anchor did not move on"
echo "pass volume"
