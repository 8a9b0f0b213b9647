#!/bin/bash
# The command-line tools end to end, as a user types them: new, init, build, status, print, run, doctor,
# copy_bom and the compiler drivers, with what they say when something is wrong. Needs no enclave except
# for the last group, which is skipped while occlum-run or the kernel is not built; a stand-in kernel
# then serves the builder.
# usage: cli.sh [BUILD-DIR]
set -uo pipefail
export LC_ALL=C
build=$(cd "${1:-$(dirname "$0")/../../build}" && pwd) || exit 2
[ -x "$build/bin/occlum" ] || { echo "cli.sh: $build/bin/occlum is missing: run make first" >&2; exit 2; }
work=$(mktemp -d /tmp/occlum-cli.XXXXXX)
trap 'rm -rf "$work"' EXIT
export XDG_CONFIG_HOME=$work/config
unset SGX_MODE OCCLUM_QUIET SOURCE_DATE_EPOCH
passed=0 failed=0

# ok NAME COMMAND...: the command succeeds.   no NAME STATUS COMMAND...: it ends with that status.
ok() { no "$1" 0 "${@:2}"; }
no() {
    local name=$1 want=$2 got
    shift 2
    "$@" > "$work/out" 2> "$work/err" < /dev/null
    got=$?
    if [ $got -eq "$want" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $name: exit status $got, not $want: $*"
        sed 's/^/    /' "$work/out" "$work/err" | head -n 20
    fi
}
# says NAME FILE(out|err) TEXT: the last command printed this.   silent NAME FILE TEXT: it did not.
says() {
    if grep -qF -- "$3" "$work/$2"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $1: no \"$3\" in:"
        sed 's/^/    /' "$work/$2" | head -n 20
    fi
}
silent() {
    if grep -qF -- "$3" "$work/$2"; then
        failed=$((failed + 1))
        echo "FAIL $1: \"$3\" was printed"
    else
        passed=$((passed + 1))
    fi
}
digest() { sha256sum "$@" | cut -d' ' -f1 | tr '\n' ' '; }

# ---- an installation of its own, with a stand-in kernel where none is built
mkdir -p "$work/inst/bin" "$work/inst/lib" "$work/inst/etc"
cp "$build"/bin/* "$work/inst/bin/"
cp -r "$build/etc/template" "$work/inst/etc/"
have_kernel=
if [ -e "$build/lib/libos.elf" ]; then
    cp "$build/lib/libos.elf" "$work/inst/lib/"
    [ -x "$build/bin/occlum-run" ] && have_kernel=yes
else
    echo 'int table[8] = {1}; void _start(void) { for (;;) table[0]++; }' > "$work/k.c"
    gcc -c -O1 -ffreestanding -fno-pie -mcmodel=large -fno-stack-protector -o "$work/k.o" "$work/k.c"
    ld -static -nostdlib --build-id=none -Ttext-segment=0xff00000000 -o "$work/inst/lib/libos.elf" \
        "$work/k.o"
fi
occlum=$work/inst/bin/occlum
cd "$work" || exit 2

# ---- help and wrong commands
no 'no arguments' 64 "$occlum"
says 'no arguments' out 'COMMAND [ARGUMENT...]'
ok 'help' "$occlum" help
cp "$work/out" "$work/list"
for c in build cat completion cp doctor exec fsck gen-image-key help init kill ls mount new print ps run start status stop top trace; do
    says "help lists $c" list "  $c "
    ok "help $c" "$occlum" help $c
    ok "$c --help" "$occlum" $c --help
done
no 'unknown command' 64 "$occlum" biuld
says 'unknown command' err 'try: occlum build'
no 'help unknown' 64 "$occlum" help nothing
no 'unknown option' 64 "$occlum" build --nonsense
ok 'completion' "$occlum" completion bash
ok 'completion is bash' bash -n "$work/out"

# ---- outside an instance
mkdir empty && cd empty || exit 2
for c in status build 'run /bin/x' 'print mrenclave'; do
    # shellcheck disable=SC2086
    no "$c outside an instance" 1 "$occlum" $c
    says "$c outside an instance" err 'is not an Occlum instance'
    says "$c outside an instance" err 'occlum new DIR'
done
no 'new without a name' 64 "$occlum" new
no 'new with two names' 64 "$occlum" new a b
cd ..

# ---- new and init
ok 'new' "$occlum" new one
no 'new where something is' 1 "$occlum" new one
says 'new where something is' err 'File exists'
for f in Occlum.json .__occlum_status image/bin image/lib64/ld-linux-x86-64.so.2 image/etc/passwd run \
    image/lib/x86_64-linux-gnu/libc.so.6 image/lib/ld-musl-x86_64.so.1 image/proc image/dev; do
    ok "new makes $f" test -e "one/$f"
done
no 'init in an instance' 1 "$occlum" -C one init
says 'init in an instance' err 'already'
no 'init with an argument' 64 "$occlum" -C one init nonsense
mkdir busy && echo keep > busy/Occlum.json
no 'init over a file' 1 "$occlum" -C busy init
ok 'init over a file leaves it' grep -qx keep busy/Occlum.json
mkdir two
ok 'init' "$occlum" -C two init
cd one || exit 2
ok 'status' "$occlum" status
says 'status' out initialized

# ---- run and print before build
no 'run before build' 1 "$occlum" run /bin/hello
says 'run before build' err 'try: occlum build'
no 'print before build' 1 "$occlum" print mrenclave
says 'print before build' err 'occlum build'
no 'print what' 64 "$occlum" print
no 'print nonsense' 64 "$occlum" print nonsense

# ---- configuration errors stop the build and name the line
cp Occlum.json good.json
sed -i 's/"4GB"/"4 gigs"/' Occlum.json
no 'bad size' 1 "$occlum" build
says 'bad size' err 'Occlum.json:3: resource_limits.user_space_size: "4 gigs" is not a size'
says 'bad size' err 'units: B, KB, MB, GB, TB'
sed 's/"max_num_of_threads"/"max_threads"/' good.json > Occlum.json
no 'unknown key' 1 "$occlum" build
says 'unknown key' err 'Occlum.json:4: resource_limits.max_threads: unknown key; allowed here: '
echo '{ "mount": [' > Occlum.json
no 'no JSON' 1 "$occlum" build
says 'no JSON' err 'Occlum.json:'
rm Occlum.json
no 'no Occlum.json' 1 "$occlum" build
ok 'nothing was built' test ! -e build/enclave.sgxs
mv good.json Occlum.json

# ---- build
printf '#include <stdio.h>\nint main(void) { puts("hello"); return 7; }\n' > "$work/hello.c"
ok 'occlum-gcc' "$work/inst/bin/occlum-gcc" -O2 -o image/bin/hello "$work/hello.c"
mkdir -p run && echo precious > run/data
ok 'build' "$occlum" build
says 'build' out 'MRENCLAVE'
says 'build says SIM' err 'SIM'
says 'build makes a key' err 'signing key'
ok 'status after build' "$occlum" status
says 'status after build' out built
ok 'run/ is kept' grep -qx precious run/data
ok 'print mrenclave' "$occlum" print mrenclave
says 'MRENCLAVE is the digest' out "$(sha256sum < build/enclave.sgxs | cut -d' ' -f1)"
ok 'print mrsigner' "$occlum" print mrsigner
says 'mrsigner has 64 digits' out "$(grep -xE '[0-9a-f]{64}' "$work/out")"
ok 'the root image verifies' veritysetup --hash-offset=$(($(od -An -tu4 -j1060 -N4 build/image.erofs) * 4096)) \
    verify build/image.erofs build/image.erofs "$(od -An -tx1 -v -j104 -N32 build/.image.stamp | tr -d ' \n')"

# ---- incremental, forced, reproducible
before=$(digest build/image.erofs build/enclave.sgxs build/enclave.sig) inode=$(stat -c%i build/image.erofs)
ok 'build again' "$occlum" build
says 'build again' out 'Nothing changed'
ok 'nothing was made again' test "$inode" = "$(stat -c%i build/image.erofs)"
ok 'build -f' "$occlum" build -f
ok 'build -f makes it again' test "$inode" != "$(stat -c%i build/image.erofs)"
ok 'build -f gives the same bytes' test "$before" = "$(digest build/image.erofs build/enclave.sgxs build/enclave.sig)"
cp -a . ../three && rm -rf ../three/build
find ../three/image -newermt @1700000000 -exec touch -h {} + # other times, other inodes
ok 'build elsewhere' "$occlum" -C ../three build
ok 'build elsewhere gives the same bytes' test "$before" = \
    "$(cd ../three && digest build/image.erofs build/enclave.sgxs build/enclave.sig)"
ok 'build with the default SOURCE_DATE_EPOCH' env SOURCE_DATE_EPOCH=1700000000 "$occlum" -C ../three build -f
ok 'saying the default changes nothing' test "$before" = \
    "$(cd ../three && digest build/image.erofs build/enclave.sgxs build/enclave.sig)"
touch -d @1000000000 ../three/image/bin/hello
ok 'build with an old file' "$occlum" -C ../three build
ok 'an old time is kept' test "$before" != \
    "$(cd ../three && digest build/image.erofs build/enclave.sgxs build/enclave.sig)"
echo more > image/root/file
ok 'build after a change' "$occlum" build
says 'build after a change' out 'Built.'
ok 'another image gives another enclave' test "$before" != "$(digest build/image.erofs build/enclave.sgxs build/enclave.sig)"
rm image/root/file
ok 'build after going back' "$occlum" build
ok 'going back gives the first bytes' test "$before" = "$(digest build/image.erofs build/enclave.sgxs build/enclave.sig)"
mv image ../image.aside
ok 'build without image/ keeps the image' "$occlum" build
says 'build without image/' err 'keeping the root image'
mv ../image.aside image

# ---- keys
ok 'a key' openssl genrsa -3 -out "$work/key.pem" 3072
signer=$("$occlum" print mrsigner)
ok 'build --sign-key' "$occlum" build --sign-key "$work/key.pem"
ok 'another signer' test "$signer" != "$("$occlum" print mrsigner)"
ok 'a wrong key' openssl genrsa -out "$work/wrong.pem" 2048
no 'build with a wrong key' 1 "$occlum" build --sign-key "$work/wrong.pem"
no 'build without the key file' 1 "$occlum" build --sign-key "$work/none.pem"
says 'build without the key file' err 'openssl genrsa -3'
no 'build --image-key' 1 "$occlum" build --image-key "$work/key.pem"
says 'build --image-key' err 'is no key'
ok 'gen-image-key' "$occlum" gen-image-key "$work/image_key"
ok 'gen-image-key format' grep -qxE '([0-9a-f]{2}-){15}[0-9a-f]{2}' "$work/image_key"
ok 'gen-image-key is private' test "$(stat -c%a "$work/image_key")" = 600
no 'gen-image-key never overwrites' 1 "$occlum" gen-image-key "$work/image_key"

# ---- missing libraries
cp "$(command -v openssl)" image/bin/needy
ok 'build with a program that lacks libraries' "$occlum" build
says 'missing library' err 'image/bin/needy needs libssl.so.3, which is not in the image'
says 'missing library, what to copy' err 'cp -L '
rm -f image/bin/needy
cp image/bin/hello image/bin/broken && truncate -s 600 image/bin/broken
ok 'build with a damaged program' "$occlum" build
says 'a damaged program' err 'image/bin/broken is a damaged ELF file'
rm image/bin/broken
printf '#! /bin/bash -e\necho x\n' > image/bin/script && chmod 755 image/bin/script
ok 'build with a script' "$occlum" build
says 'a script without its interpreter' err 'image/bin/script needs /bin/bash, which is not in the image'
says 'a script without its interpreter, what to copy' err 'cp -L /bin/bash image/bin/'
rm image/bin/script

# ---- modes
ok 'build' "$occlum" build
no 'mode nonsense' 1 "$occlum" build --sgx-mode HYPER
says 'mode nonsense' err 'must be HW or SIM'
if [ ! -e /dev/sgx_enclave ]; then
    no 'run HW without SGX' 1 env SGX_MODE=HW "$occlum" run /bin/hello
    says 'run HW without SGX' err '/dev/sgx_enclave'
    says 'run HW without SGX names SIM' err '--sgx-mode SIM'
    no 'run --sgx-mode HW without SGX' 1 "$occlum" run --sgx-mode HW /bin/hello
    ok 'build for HW without SGX' "$occlum" build --sgx-mode HW
    says 'build for HW without SGX' err '--sgx-mode SIM'
    no 'run follows the build' 1 "$occlum" run /bin/hello
    says 'run follows the build' err 'by the last build'
fi
ok 'build for SIM' "$occlum" build --sgx-mode SIM
ok 'the same bytes for SIM' test "$before" = "$(digest build/image.erofs build/enclave.sgxs build/enclave.sig)"

# ---- what run refuses
no 'run without a program' 64 "$occlum" run
no 'run a relative path' 1 "$occlum" run hello
says 'run a relative path' err 'try: occlum run /bin/hello'
no 'run outside the entry points' 1 "$occlum" run /etc/hello
says 'run outside the entry points' err 'entry_points'

# ---- doctor
"$occlum" doctor > "$work/out" 2> "$work/err" || true
says 'doctor' out 'fsgsbase'
says 'doctor' out 'mkfs.erofs'
"$occlum" doctor --json > "$work/doctor.json"
ok 'doctor --json' python3 -c 'import json, sys; [f["name"] + f["status"] for f in json.load(open(sys.argv[1]))]' \
    "$work/doctor.json"
[ -e /dev/sgx_enclave ] || no 'doctor --sgx-mode HW' 1 "$occlum" doctor --sgx-mode HW

# ---- copy_bom
cat > "$work/hello.yaml" <<'YAML'
includes:
  - base.yaml
targets:
  - target: /bin
    copy:
      - files:
          - image/bin/hello
YAML
ok 'copy_bom --dry-run' "$work/inst/bin/copy_bom" -f "$work/hello.yaml" --root "$work/bom" --dry-run
ok 'copy_bom --dry-run changes nothing' test ! -e "$work/bom"
ok 'copy_bom' "$work/inst/bin/copy_bom" -f "$work/hello.yaml" --root "$work/bom"
ok 'copy_bom copies' cmp image/bin/hello "$work/bom/bin/hello"
ok 'copy_bom copies the loader' test -s "$work/bom/lib/ld-musl-x86_64.so.1"
no 'copy_bom without --root' 64 "$work/inst/bin/copy_bom" -f "$work/hello.yaml"
no 'copy_bom without a file' 1 "$work/inst/bin/copy_bom" -f "$work/none.yaml" --root "$work/bom"

# ---- every key that is accepted is explained
source=$(cd "$build/.." && pwd)
if [ -e "$source/docs/config.md" ]; then
    for key in $(sed -nE 's/^ *\{"([a-z_]+)", KEY_.*/\1/p; s/^ *\{"([a-z]+)", (true|false), .*/\1/p' \
        "$source"/tools/lib/config_{json,mount}.c); do
        ok "docs/config.md explains $key" grep -qE "\`$key\`" "$source/docs/config.md"
    done
fi

# ---- compiler drivers: the output runs on Linux
for flags in '' -static -static-pie -no-pie; do
    # shellcheck disable=SC2086
    ok "occlum-gcc $flags" "$work/inst/bin/occlum-gcc" $flags -o "$work/h" "$work/hello.c"
    no "occlum-gcc $flags runs" 7 "$work/h"
done
ok 'occlum-gcc -c' "$work/inst/bin/occlum-gcc" -c -o "$work/h.o" "$work/hello.c"
ok 'occlum-gcc links' "$work/inst/bin/occlum-gcc" -o "$work/h" "$work/h.o"
printf '#include <iostream>\nint main() { std::cout << "hello\\n"; return 7; }\n' > "$work/hello.cc"
ok 'occlum-g++' "$work/inst/bin/occlum-g++" -o image/bin/hello++ "$work/hello.cc"
no 'occlum-g++ runs' 7 image/bin/hello++

# ---- running, where there is something to run with
if [ -n "$have_kernel" ]; then
    ok 'build before run' "$occlum" build
    no 'run gives the exit status' 7 timeout 60 "$occlum" run /bin/hello
    says 'run gives the output' out hello
    says 'run says SIM' err 'NO protection'
    no 'run quietly' 7 env OCCLUM_QUIET=1 timeout 60 "$occlum" run /bin/hello
    silent 'run quietly' err SIM
    no 'run g++' 7 timeout 60 "$occlum" run /bin/hello++
    says 'run g++' out hello
else
    echo "skipped: running programs (the kernel or occlum-run is not built)"
fi

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
