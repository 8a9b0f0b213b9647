#!/bin/bash
# Mounts that a program makes, with the options of Occlum's: volumes by "dir", made only if it says "create" and
# never twice, with a key of the program's own; unions of volumes; directories of the host.
# usage: runtime_mount.sh BUILD-DIR
. "$(dirname "$0")/instance.sh"
instance i
gcc -O2 -Wall -o mounter "$top/test/tools/mounter.c"
"$top/scripts/copy-elf" image mounter=/bin/mounter
occlum build > /dev/null
key=c7-32-b3-ed-44-df-ec-7b-25-2d-9a-32-38-8d-58-61
other=c7-32-b3-ed-44-df-ec-7b-25-2d-9a-32-38-8d-58-62
mounter() { occlum run /bin/mounter "$@"; }
denied() { refused "$1" occlum run /bin/mounter "${@:2}"; } # ERROR WORDS...
counts() { # N WORDS...
    local n=$1
    shift
    [ "$(mounter "$@" 2> "$dir/err")" = "$n" ] || fail "$n is not what it counts: $*"
}

# ---- a volume
denied ENOENT cowfs data ""
counts 1 cowfs data create
counts 2 cowfs data ""
counts 3 sefs none dir=./data
counts 4 cowfs none dir=run/volumes/data,create
for name in data.new data.made data.anchor; do denied EINVAL cowfs "$name" create; done
mv run/volumes/data "$dir/data"
denied ENOENT cowfs none dir=data,create # it was there once: somebody took it away
[ ! -e run/volumes/data ] || fail "a lost volume was made anew"
mv "$dir/data" run/volumes/data
counts 5 cowfs data ""

# ---- with a key of the program's
counts 1 cowfs secret "create,key=$key"
counts 2 cowfs secret "key=${key//-/}"
! grep -q "$key" "$dir/err" || fail "the key is shown in /proc/mounts"
denied EKEYREJECTED cowfs secret "key=$other"
denied EKEYREJECTED cowfs secret ""
denied EINVAL cowfs secret key=c7-32
denied EINVAL cowfs secret "key=${key}x"
counts 3 cowfs secret "key=$key"
openssl genrsa -3 -out "$dir/signer.pem" 3072 2> /dev/null
occlum build --sign-key "$dir/signer.pem" > /dev/null
configure 's|"type": "cowfs"|"type": "ramfs"|' # its own volume is the other signer's
occlum build --sign-key "$dir/signer.pem" > /dev/null
counts 4 cowfs secret "key=$key" # the key is all that it takes
denied EKEYREJECTED cowfs data ""

# ---- unions
both="lowerdir=./mnt/lower,upperdir=./mnt/upper,key=$key"
denied ENOENT unionfs none "$both"
counts 1 unionfs none "$both,create"
counts 2 unionfs none "$both"
counts 1 cowfs lower "key=$key"
counts 3 unionfs none "$both"
counts 4 unionfs none "lowerdir=secret:lower,upperdir=upper,key=$key"
denied EINVAL unionfs none lowerdir=lower
denied EINVAL unionfs none upperdir=upper

# ---- the host's
counts 1 hostfs none dir=.
counts 2 hostfs . ""
mounter hostfs none dir=. readonly 2> "$dir/err" || fail "read only"
denied EACCES hostfs none dir=/etc
grep -q '^2$' count || fail "the host's file: $(cat count)"
echo "runtime_mount: passed"
