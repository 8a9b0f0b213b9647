#!/bin/bash
# Random operations against models (test/guest/fsx.c, tree_model.c) on each file system inside the LibOS: the union at /,
# a volume, files in memory, files of the host. Afterwards the volumes are consistent.
# usage: conformance.sh BUILD-DIR         FSX_OPS=20000, TREE_OPS=6000, SEEDS="1 2"
. "$(dirname "$0")/instance.sh"
instance i
for libc in musl glibc; do cp "$build/test/$libc/bin/fsx" "image/bin/fsx-$libc"; done
cp "$build/test/musl/bin/tree_model" image/bin
add_mount '"target": "/data", "type": "cowfs", "source": "data"'
add_mount '"target": "/ram", "type": "ramfs"'
configure 's|"TERM",|"TERM", "FSX_*", "TREE_*",|'
occlum gen-image-key key
occlum build --volume-key key > /dev/null
export FSX_OPS=${FSX_OPS:-20000} TREE_OPS=${TREE_OPS:-6000} FSX_SEED FSX_DIR TREE_SEED
for seed in ${SEEDS:-1 2}; do
    FSX_SEED=$seed TREE_SEED=$seed
    for FSX_DIR in /root /data /ram /host; do
        for program in "fsx-$([ $((seed % 2)) = 0 ] && echo glibc || echo musl)" tree_model; do
            occlum run --volume-key key "/bin/$program" > "$dir/out" 2> "$dir/err" ||
                fail "$program in $FSX_DIR, seed $seed: $(tail -n 30 "$dir/out")"
        done
    done
done
occlum fsck --key key > "$dir/out" 2>&1 || fail "fsck: $(tail -n 5 "$dir/out")"
echo "pass conformance (${SEEDS:-1 2}: $FSX_OPS operations on content, $TREE_OPS on names, on 4 file systems)"
