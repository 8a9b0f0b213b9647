#!/bin/bash
# What a hostile host can do with the files of an instance, from outside and as a whole: image and volume cut, extended,
# replaced by something else, exchanged, put back, the disk full. A program never sees anything else than what it wrote:
# the start is refused with a sentence or the call fails, and nothing is made because something could not be opened.
# (Single blocks: test/crash/attack.c. Answers to calls: *_test.c with libos/host/fake.)
# usage: attack.sh BUILD-DIR
. "$(dirname "$0")/instance.sh"
mounted=
at_end() { [ -z "$mounted" ] || umount "$mounted"; }
instance i keeper
add_mount '"target": "/data", "type": "cowfs", "source": "data"'
echo more > image/etc/more
occlum build > /dev/null
occlum run /bin/keeper count > "$dir/out" 2> "$dir/err" || fail "the first start"
occlum run /bin/keeper data 5 > /dev/null 2> "$dir/err" || fail "the second volume"

kept_out() { # WORDS COMMAND...: refused before the program said anything
    refused "$@"
    [ ! -s "$dir/out" ] || fail "the program ran: $*"
}
# Each line of standard input does something to FILE, after it was put back.
each_way() { # FILE COPY WORDS COMMAND...
    local file=$1 copy=$2 words=$3 way before
    shift 3
    while read -r way; do
        rm -rf "$file"
        cp "$copy" "$file"
        (eval "$way") || fail "cannot do: $way"
        before=$([ ! -f "$file" ] || [ -L "$file" ] || sha256sum < "$file")
        kept_out "$words" "$@"
        [ -L "$file" ] || [ ! -f "$file" ] || [ "$before" = "$(sha256sum < "$file")" ] || fail "written: $way"
    done
    rm -rf "$file"
    cp "$copy" "$file"
}

# ---- the root image
cp build/image.erofs "$dir/image"
each_way build/image.erofs "$dir/image" 'root\|image' occlum-run -- /bin/keeper image << 'END'
: > "$file"
truncate -s 4096 "$file"
truncate -s -4096 "$file"
printf x | dd of="$file" conv=notrunc bs=1 seek=1030 2> /dev/null
rm "$file"
rm "$file" && mkdir "$file"
rm "$file" && mkfifo "$file"
rm "$file" && ln -s /dev/zero "$file"
END
dd if=/dev/zero bs=4096 count=3 >> build/image.erofs 2> /dev/null # behind the end nobody looks
[ "$(occlum run /bin/keeper image)" = more ] || fail "an image with something behind it"
cp "$dir/image" build/image.erofs
cp build/enclave.sgxs build/enclave.sig "$dir"
echo less > image/etc/more
occlum build > /dev/null
[ "$(occlum run /bin/keeper image)" = less ] || fail "a new image"
cp "$dir/image" build/image.erofs # the older image under the newer enclave
kept_out 'root\|image' occlum-run -- /bin/keeper image
occlum build -f > /dev/null

# ---- the volume
now=$(occlum run /bin/keeper count)
cp run/volumes/root "$dir/root"
cp run/volumes/data "$dir/data"
each_way run/volumes/root "$dir/root" 'encrypted volume "root"' occlum run /bin/keeper count << 'END'
: > "$file"
truncate -s 4096 "$file"
truncate -s 65536 "$file"
truncate -s 262144 "$file"
dd if=/dev/zero of="$file" bs=4096 count=2 conv=notrunc 2> /dev/null
dd if=/dev/zero of="$file" bs=4096 seek=8 count=8 conv=notrunc 2> /dev/null
dd if=/dev/urandom of="$file" bs=4096 seek=64 count=4000 conv=notrunc 2> /dev/null
cp ../i/run/volumes/data "$file"
rm "$file"
rm "$file" && mkdir "$file"
rm "$file" && mkfifo "$file"
rm "$file" && ln -s /dev/zero "$file"
END
grep -q 'is not there\|cannot be opened' "$dir/err" || fail "no sentence"
mv run/volumes/root "$dir/swap" && cp "$dir/data" run/volumes/root && mv "$dir/swap" run/volumes/data
kept_out 'encrypted volume "root"' occlum run /bin/keeper count # each under the other's name
cp "$dir/root" run/volumes/root
kept_out 'encrypted volume "data"' occlum run /bin/keeper image # not even with another volume than "/"
cp "$dir/data" run/volumes/data
dd if=/dev/urandom bs=4096 count=3 >> run/volumes/root 2> /dev/null # behind the end nobody looks
[ "$(occlum run /bin/keeper count)" = $((now + 1)) ] || fail "a volume with something behind it"

# ---- a disk that is full: ENOSPC when a program writes, never an error of what is promised
if [ "$(id -u)" = 0 ] && mkdir "$dir/small" && mount -t tmpfs -o size=24m none "$dir/small" 2> /dev/null; then
    mounted=$dir/small
    rm -r run/volumes && ln -s "$dir/small" run/volumes
    rm -f run/volumes/*
    : > run/volumes/root.new && : > run/volumes/data.new
    occlum run /bin/keeper fill > "$dir/out" 2> "$dir/err" || fail "a full disk: $(cat "$dir/out")"
    [ "$(occlum run /bin/keeper count 2> "$dir/err")" = 1 ] || fail "after a full disk"
fi
echo "pass attack"
