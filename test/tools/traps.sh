#!/bin/bash
# No system call of an ordinary program traps: libos/exec/patch.c has put jumps in their place. Those that it leaves
# work all the same, only slower (a spawn 2.5 times), so nothing else would notice. The LibOS counts for its log.
# usage: traps.sh BUILD-DIR
. "$(dirname "$0")/instance.sh"

no_traps() { # SITES PROGRAM...: so many sites, or more, were patched, and none of the others was met
    local sites=$1 patched taken
    shift
    OCCLUM_LOG_LEVEL=info occlum run "$@" > "$dir/out" 2> "$dir/err" || fail "$* ended with $?"
    patched=$(sed -nE 's/.*sites: syscall ([0-9]+) patched,.*/\1/p' "$dir/err")
    taken=$(sed -nE 's/.*traps taken: syscall ([0-9]+), cpuid ([0-9]+)$/\1 \2/p' "$dir/err")
    [ "$taken" = '0 0' ] || fail "$*: traps taken of system calls and cpuid: ${taken:-no word}"
    [ "$patched" -ge "$sites" ] || fail "$*: only $patched sites patched"
}

instance i
for how in -pie -no-pie -static; do
    occlum-gcc -O1 $how -o "image/bin/musl$how" "$top/test/guest/hello_world.c"
    gcc -O1 $how -o "image/bin/glibc$how" "$top/test/guest/hello_world.c"
done
"$top/scripts/copy-elf" "$PWD/image" /bin/ls /bin/dash /bin/busybox
occlum build > /dev/null
for how in -pie -no-pie -static; do
    no_traps 10 "/bin/musl$how"
    no_traps 50 "/bin/glibc$how"
done
no_traps 200 /bin/ls -lR /
no_traps 200 /bin/busybox find /
no_traps 200 /bin/dash -c 'for n in 1 2 3; do /bin/ls / | /bin/busybox wc -l; done'
echo "pass traps"
