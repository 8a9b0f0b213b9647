#!/bin/bash
# occlum ls, cat, cp, fsck, mount: what they show of an encrypted image and a volume is what was put there, what they write
# a program inside finds, what is damaged they find, and they change nothing that they only look at.
# usage: offline.sh BUILD-DIR
. "$(dirname "$0")/instance.sh"
at_end() { fusermount3 -qu "$dir/m" 2> /dev/null; }
instance i keeper
cp -r "$top/test/tools" image/tools
chmod a-x image/tools/*
ln -s ../tools image/tools/itself
echo "of the image" > image/etc/more
occlum gen-image-key "$dir/key"
occlum gen-image-key "$dir/other"
same_tree() { diff -r --no-dereference image "$dir/$1" > "$dir/err" || fail "$1 differs from image/"; }

for how in plain encrypted; do
    key=()
    [ $how = plain ] || key=(--key "$dir/key")
    occlum build ${key:+--image-key "$dir/key"} > /dev/null
    occlum cp -r "${key[@]}" / "$dir/$how" || fail "cp -r of the $how image"
    same_tree $how
    [ "$(occlum cat "${key[@]}" /tools/itself/../etc/more)" = "of the image" ] || fail "cat by a link"
    [ "$(occlum ls "${key[@]}" -aR / | wc -l)" -gt 100 ] || fail "ls -R"
    occlum ls -l "${key[@]}" /bin/keeper | grep -q "^-rwxr-xr-x .* $(stat -c%s image/bin/keeper) " || fail "ls -l"
    refused 'No such file' occlum cat "${key[@]}" /nothing
    refused 'Is a directory' occlum cat "${key[@]}" /etc
    refused 'never written' occlum mount "${key[@]}" -w image "$dir"
    occlum fsck "${key[@]}" 2> "$dir/err" | grep -q 'root image: clean' || fail "fsck of the $how image"
    cp build/image.erofs "$dir/copy"
    printf x | dd of=build/image.erofs bs=1 seek=40960 conv=notrunc 2> /dev/null
    refused 'things\? .*wrong\|Input/output' occlum fsck "${key[@]}"
    cp "$dir/copy" build/image.erofs
done
refused EKEYREJECTED occlum ls /
refused EKEYREJECTED occlum ls --key "$dir/other" /

# ---- a volume
key=(--key "$dir/key")
[ "$(occlum run --image-key "$dir/key" /bin/keeper count)" = 1 ] || fail "run"
before=$(sha256sum run/volumes/root)
[ "$(occlum cat "${key[@]}" root:/root/secret)" = 'a text that the host must not see' ] || fail "cat of a volume"
occlum ls -l "${key[@]}" root:/root | grep -q '^-rw------- .* secret$' || fail "ls of a volume"
occlum fsck "${key[@]}" | grep -q '^volume root: clean' || fail "fsck of a volume"
refused "user's key" occlum ls root:/
refused EKEYREJECTED occlum ls --key "$dir/other" root:/
refused 'no name of a volume' occlum ls "${key[@]}" ../volumes/root:/
[ "$before" = "$(sha256sum run/volumes/root)" ] || fail "looking at a volume changed it"
occlum cp "${key[@]}" "$top/test/tools/offline.sh" root:/root/script || fail "cp into a volume"
occlum cp "${key[@]}" root:/root/script "$dir/script"
cmp "$dir/script" "$top/test/tools/offline.sh" || fail "not the same back"
echo "of the volume" > "$dir/more"
occlum cp "${key[@]}" "$dir/more" root:/root/count 2> "$dir/err" || fail "cp over a file"
[ "$(occlum cat "${key[@]}" root:/root/count)" = "of the volume" ] || fail "the longer old content shows"
occlum fsck "${key[@]}" root > /dev/null || fail "fsck after cp"
# ---- trees into a volume and out of it: nothing is lost on the way
manifest() { # DIRECTORY: everything that cp keeps
    (cd "$1" && find . -type d -printf '%P d %m %T@ %n\n' -o -type l -printf '%P l %T@ %l\n' -o -printf '%P %y %m %T@ %n %s\n' | sort
        find . -type f -exec sha256sum {} + | sort
        find . -type f -links +1 -printf '%i %P\n' | sort -k2 | awk '{ n[$1] = n[$1] " " $2 } END { for (i in n) print n[i] }' | sort
        python3 -c 'import os
for path, dirs, files in os.walk("."):
    for name in sorted(dirs + files):
        p = os.path.join(path, name)
        for a in sorted(os.listxattr(p, follow_symlinks=False)): print(p, a, os.getxattr(p, a, follow_symlinks=False))' | sort)
}
tree=$dir/tree
mkdir -p "$tree/sub/deep" "$tree/empty" "$tree/private"
cp -r "$top/test/guest" "$tree/sub"
printf x > "$tree/one"
head -c 1000001 /dev/urandom > "$tree/sub/deep/big"
truncate -s 300M "$tree/sparse"
printf middle | dd of="$tree/sparse" bs=1 seek=150000000 conv=notrunc 2> /dev/null
: > "$tree/nothing"
ln "$tree/one" "$tree/sub/two" && ln "$tree/one" "$tree/sub/deep/three" && ln "$tree/sub/deep/big" "$tree/big"
ln -s ../one "$tree/sub/soft" && ln -s /nowhere "$tree/dangling" && ln -s . "$tree/sub/self"
python3 -c 'import os, sys
os.chdir(sys.argv[1])
for i in range(40): open("n" * (i + 200), "w").write(str(i))
for i in range(20): os.setxattr("one", "user.a%d" % i, bytes([i]) * i * 5)
os.setxattr("sub", "user.of a directory", b"\0\1")
os.chmod("one", 0o604); os.chmod("sub/deep", 0o711); os.chmod("private", 0o700); os.chmod("nothing", 0)
for n, (path, dirs, files) in enumerate(os.walk(".", topdown=False)):
    for name in files + [""]: os.utime(os.path.join(path, name), ns=(10**18 + n, 123456789 * 10**9 + 987654321 + n), follow_symlinks=False)' "$tree"
occlum cp -r "${key[@]}" "$tree" root:/root/tree 2> "$dir/err" || fail "cp -r into a volume"
occlum cp -r "${key[@]}" root:/root/tree "$dir/back" 2> "$dir/err" || fail "cp -r out of a volume"
diff <(manifest "$tree") <(manifest "$dir/back") > "$dir/err" || fail "a tree that was copied in and out differs"
[ "$(du -k "$dir/back/sparse" | cut -f1)" -lt 10000 ] || fail "the hole was filled outside"
[ "$(stat -c%s run/volumes/root)" -lt 60000000 ] || fail "the hole was filled in the volume"
occlum cp -r "${key[@]}" "$tree/." root:/root/tree 2> "$dir/err" || fail "cp -r onto itself"
occlum cp -r "${key[@]}" "$tree" root:/root/tree 2> "$dir/err" || fail "cp -r into the directory"
occlum cp -r "${key[@]}" root:/root/tree/tree "$dir/again" 2> "$dir/err" || fail "cp -r out again"
diff <(manifest "$tree") <(manifest "$dir/again") > "$dir/err" || fail "a tree below itself differs"
occlum cp -r "${key[@]}" root:/root/tree/. "$dir/again" 2> "$dir/err" || fail "cp -r over a tree"
rm -r "$dir/again/tree" && touch -r "$tree" "$dir/again"
diff <(manifest "$tree") <(manifest "$dir/again") > "$dir/err" || fail "a tree that was copied over differs"
refused 'Is a directory' occlum cp "${key[@]}" "$tree" root:/root
mkdir "$dir/clash" && mkdir "$dir/clash/one"
refused 'Not a directory' occlum cp -r "${key[@]}" "$dir/clash/." root:/root/tree
refused 'Not a directory' occlum cp -r "${key[@]}" "$dir/clash/." root:/root/tree/one
if [ "$(id -u)" = 0 ]; then
    mkdir "$dir/own" && : > "$dir/own/file" && chown 12:34 "$dir/own/file" && chmod 6755 "$dir/own/file" && chown -h 5:6 "$dir/own"
    mkfifo "$dir/own/fifo" && mknod "$dir/own/device" c 1 3
    occlum cp -r "${key[@]}" "$dir/own" root:/root/own 2> "$dir/err" && occlum cp -r -o "${key[@]}" "$dir/own" root:/root/owned 2> "$dir/err" || fail "cp -o"
    occlum ls -l "${key[@]}" root:/root/own | grep -q '^-rwxr-xr-x .* 0 .* 0 .*file$' || fail "owners were copied"
    occlum ls -l "${key[@]}" root:/root/owned | grep -q '^crw.* 1, *3 .*device$' || fail "a device"
    occlum cp -r -o "${key[@]}" root:/root/owned "$dir/owned" 2> "$dir/err" || fail "cp -o out"
    [ "$(stat -c '%u %g %a' "$dir/owned/file" "$dir/owned")" = $'12 34 6755\n5 6 755' ] || fail "owners"
fi
occlum fsck "${key[@]}" root > "$dir/out" 2> "$dir/err" || fail "fsck after cp -r"
# ---- its keys: a recovery key, a change by it, and whoever comes back with the old key and the old header
occlum gen-image-key "$dir/safe"
occlum gen-image-key "$dir/next"
refused EKEYREJECTED occlum key --key "$dir/safe" recovery "$dir/safe"
refused 'have to be different' occlum key "${key[@]}" recovery "$dir/key"
occlum key "${key[@]}" recovery "$dir/safe" 2> "$dir/err" || fail "a recovery key"
[ "$(occlum cat --key "$dir/safe" root:/root/count)" = "of the volume" ] || fail "cat with the recovery key"
occlum fsck "${key[@]}" root > /dev/null || fail "fsck after a recovery key"
head -c 8192 run/volumes/root > "$dir/header"
cp run/volumes/root "$dir/copy"
occlum key --key "$dir/safe" change "$dir/next" root 2> "$dir/err" || fail "a change of the user's key by the recovery key"
[ "$(occlum cat --key "$dir/next" root:/root/count)" = "of the volume" ] || fail "cat with the new key"
[ "$(cmp -l run/volumes/root "$dir/copy" | awk '{ print int(($1 - 1) / 4096) }' | uniq | wc -l)" -lt 16 ] || fail "a change of keys writes data"
refused EKEYREJECTED occlum cat "${key[@]}" root:/root/count
cp run/volumes/root "$dir/changed"
dd if="$dir/header" of=run/volumes/root conv=notrunc 2> /dev/null
refused ESTALE occlum cat "${key[@]}" root:/root/count
refused ESTALE occlum key "${key[@]}" change "$dir/key"
refused 'old state back' occlum run --image-key "$dir/key" /bin/keeper count
cp "$dir/changed" run/volumes/root
refused 'not permitted' occlum key --key "$dir/safe" remove-recovery
occlum key --key "$dir/next" remove-recovery 2> "$dir/err" || fail "remove-recovery"
refused EKEYREJECTED occlum cat --key "$dir/safe" root:/root/count
occlum key --key "$dir/next" change "$dir/key" 2> "$dir/err" || fail "a change back"
occlum fsck "${key[@]}" root > /dev/null || fail "fsck after changes of keys"
beside() { # MODE of keeper, COMMAND...
    in_background occlum run --image-key "$dir/key" /bin/keeper "$1"
    shift
    local status=0
    "$@" || status=$?
    end_it
    return $status
}
beside sleep occlum ls "${key[@]}" root:/root > /dev/null || fail "ls beside a program that only reads"
beside sleep refused 'has it open' occlum cp "${key[@]}" "$dir/more" root:/root/more
beside hold refused 'has it open' occlum ls "${key[@]}" root:/

# ---- mounted
if [ -w /dev/fuse ]; then
    mkdir "$dir/m"
    mounted() { # COMMAND...: while it is mounted with the options before --
        local options=()
        while [ "$1" != -- ]; do options+=("$1"); shift; done
        shift
        occlum mount -f "${key[@]}" "${options[@]}" "$dir/m" 2> "$dir/err" &
        pid=$!
        for ((n = 0; n < 100; n++)); do mountpoint -q "$dir/m" && break; sleep 0.05; done
        "$@" || fail "mounted: $*"
        fusermount3 -u "$dir/m"
        wait $pid || fail "the mount's end"
        pid=
    }
    mounted image -- diff -r --no-dereference image "$dir/m"
    before=$(sha256sum run/volumes/root)
    read_only() { ! touch "$dir/m/x" 2> /dev/null && cmp "$dir/m/root/script" "$dir/script"; }
    mounted root -- read_only
    [ "$before" = "$(sha256sum run/volumes/root)" ] || fail "a read-only mount changed the volume"
    busy_hands() {
        local m=$dir/m
        mkdir "$m/tree" && cp -a "$top/libos/fs" "$m/tree/fs" && diff -r "$top/libos/fs" "$m/tree/fs" &&
            mv "$m/tree/fs" "$m/tree/moved" && ln "$m/tree/moved/ramfs.c" "$m/tree/hard" &&
            ln -s moved/ramfs.c "$m/tree/soft" && cmp "$m/tree/hard" "$m/tree/soft" && chmod 751 "$m/tree" && chmod 640 "$m/tree/hard" &&
            truncate -s 5000 "$m/tree/hard" && head -c 5000 "$top/libos/fs/ramfs.c" | cmp - "$m/tree/hard" &&
            truncate -s 100000 "$m/tree/hard" && echo tail >> "$m/tree/hard" &&
            [ "$(stat -c '%s %h %a' "$m/tree/hard" "$m/tree")" = $'100005 2 640\n4096 3 751' ] &&
            rm -r "$m/tree/moved/cowfs" && ! rmdir "$m/tree/moved" 2> /dev/null && mkfifo "$m/tree/pipe" &&
            python3 -c 'import os, sys
os.setxattr(sys.argv[1], "user.one", b"1" * 300)
os.setxattr(sys.argv[1], "user.two", b"")
assert os.listxattr(sys.argv[1]) == ["user.one", "user.two"] and os.getxattr(sys.argv[1], "user.one") == b"1" * 300
os.removexattr(sys.argv[1], "user.two")
assert os.listxattr(sys.argv[1]) == ["user.one"]' "$m/tree/hard" &&
            touch -d 2001-02-03T04:05:06.789 "$m/tree/soft" && echo 41 > "$m/root/count"
    }
    mounted -w root -- busy_hands
    occlum fsck "${key[@]}" root > "$dir/out" 2> "$dir/err" || fail "fsck after a mount"
    occlum ls -l "${key[@]}" root:/tree | grep -q '^prw-r--r-- .* pipe$' || fail "the fifo"
    occlum cp -r "${key[@]}" root:/tree/moved "$dir/moved"
    rm -r "$dir/moved/ramfs.c" # was cut
    diff -r "$top/libos/fs" "$dir/moved" | grep -v '^Only in .*/libos/fs: \(cowfs\|ramfs.c\)$' && fail "copied back"
    [ "$(occlum run --image-key "$dir/key" /bin/keeper count)" = 42 ] || fail "a program does not find what was written"
    # ---- what a program sees as "/": image and volume together
    cp run/volumes/root "$dir/copy"
    as_seen() {
        cmp "$dir/m/root/count" <(echo 42) && cmp "$dir/m/etc/more" image/etc/more && cmp "$dir/m/bin/keeper" image/bin/keeper &&
            ! touch "$dir/m/x" 2> /dev/null && diff -r --no-dereference image/tools "$dir/m/tools"
    }
    mounted @ -- as_seen
    cmp run/volumes/root "$dir/copy" || fail "a read-only mount of @ changed the volume"
    changes() {
        local m=$dir/m
        echo added >> "$m/etc/more" && rm "$m/tools/offline.sh" && mv "$m/tools/attack.sh" "$m/root/moved" && mkdir "$m/tools/new" &&
            cp -a "$top/libos/fs" "$m/tools/new/fs" && diff -r "$top/libos/fs" "$m/tools/new/fs" && rm -r "$m/tools/new/fs/cowfs" &&
            head -c 30000000 /dev/urandom > "$m/root/large" && truncate -s 10000001 "$m/root/large" && cp "$m/root/large" "$dir/large" &&
            cmp "$m/root/large" "$dir/large" && ln "$m/root/large" "$m/tools/large" && chmod 600 "$m/bin/keeper" && chmod 755 "$m/bin/keeper" &&
            ! python3 -c 'import os, sys; os.rename(sys.argv[1], sys.argv[2])' "$m/tools" "$m/renamed" 2> /dev/null || return 1
        [ -d "$m/tools" ] && [ ! -e "$m/tools/offline.sh" ] && ! rmdir "$m/tools" 2> /dev/null && ! mkdir "$m/tools" 2> /dev/null &&
            printf middle | dd of="$m/root/large" bs=1 seek=5000 conv=notrunc 2> /dev/null || return 1
        ln -s ../etc/more "$m/root/soft" && [ "$(cat "$m/root/soft")" = "$(printf 'of the image\nadded')" ] &&
            mv "$m/root/soft" "$m/root/softer" && echo 50 > "$m/root/count" &&
            python3 -c 'import os, sys
os.setxattr(sys.argv[1], "user.one", b"1" * 300)
assert os.listxattr(sys.argv[1]) == ["user.one"]
f = os.open(sys.argv[1], os.O_RDWR); os.unlink(sys.argv[1]); os.write(f, b"still"); os.fsync(f); os.close(f)' "$m/root/moved"
    }
    mounted -w @ -- changes
    occlum fsck "${key[@]}" root > "$dir/out" 2> "$dir/err" || fail "fsck after a mount of @"
    printf middle | dd of="$dir/large" bs=1 seek=5000 conv=notrunc 2> /dev/null
    occlum cat "${key[@]}" @:/tools/large | cmp - "$dir/large" || fail "cat of @"
    refused 'No such file' occlum cat "${key[@]}" @:/tools/offline.sh
    occlum ls "${key[@]}" @:/tools > "$dir/out" 2> "$dir/err" || fail "ls of @"
    grep -q '^attack.sh$' "$dir/out" && fail "a file that was moved away is there"
    [ "$(grep -c '^volume.sh$\|^new$' "$dir/out")" = 2 ] || fail "ls of @: $(cat "$dir/out")"
    occlum cp -r "${key[@]}" @:/tools/new/fs "$dir/fs" && [ ! -e "$dir/fs/cowfs" ] && cmp "$dir/fs/ramfs.c" "$top/libos/fs/ramfs.c" || fail "cp out of @"
    refused 'by its name' occlum cp "${key[@]}" "$dir/more" @:/root
    [ "$(occlum run --image-key "$dir/key" /bin/keeper count)" = 51 ] || fail "a program does not find what was written to @"
    [ "$(occlum run --image-key "$dir/key" /bin/keeper image)" = "$(printf 'of the image\nadded')" ] || fail "a program does not find the copied-up file"
else
    echo "no /dev/fuse here: occlum mount was not tried"
fi

# ---- damage: each of the first blocks in turn. Nothing, or an error; all of them: an error.
cp run/volumes/root "$dir/copy"
found=0
for ((block = 64; block < 94; block++)); do
    printf 'damage' | dd of=run/volumes/root bs=1 seek=$((block * 4096 + 100)) conv=notrunc 2> /dev/null
    status=0
    occlum fsck "${key[@]}" root > "$dir/out" 2> "$dir/err" || status=$?
    [ $status -le 1 ] || fail "fsck ended with $status"
    found=$((found + status))
    cp "$dir/copy" run/volumes/root
done
[ $found -gt 3 ] || fail "damage was found in $found blocks only"
for ((block = 64; block < 512; block++)); do # one that is a file's: it is named, and all others can be read
    printf 'damage' | dd of=run/volumes/root bs=1 seek=$((block * 4096 + 100)) conv=notrunc 2> /dev/null
    occlum fsck "${key[@]}" root > "$dir/out" 2> "$dir/err" || grep -q '1 thing is wrong' "$dir/err" && break
    cp "$dir/copy" run/volumes/root
done
inode=$(sed -n 's/.* at level 0 of inode \([0-9]*\), was changed.*/\1/p' "$dir/err")
[ -n "$inode" ] || fail "no file was damaged alone"
occlum ls "${key[@]}" -iaR root:/ > "$dir/out"
grep -q "^ *$inode [^ ]*$" "$dir/out" || fail "ls -i does not find inode $inode"
cp "$dir/copy" run/volumes/root
truncate -s 300000 run/volumes/root
refused 'run/volumes/root' occlum fsck "${key[@]}" root
head -c 262144 /dev/zero > run/volumes/root
refused EBADMSG occlum fsck "${key[@]}" root
: > run/volumes/root
refused 'run/volumes/root' occlum ls "${key[@]}" root:/
[ ! -s run/volumes/root ] || fail "something was made of an empty file"
cp "$dir/copy" run/volumes/root
occlum fsck "${key[@]}" > "$dir/out" 2> "$dir/err" || fail "fsck at the end"
echo "pass offline ($found of 30 blocks damaged were in use)"
