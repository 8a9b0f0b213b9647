#!/bin/bash
# The command-line tools end to end, as a user types them: new, init, build, status, print, run, doctor,
# copy_bom and the compiler drivers, with what they say when something is wrong. Needs no enclave except
# for the last group, which is skipped while occlum-run or the kernel is not built; a stand-in kernel
# then serves the builder.
# usage: cli.sh [BUILD-DIR]
. "$(dirname "$0")/instance.sh"
. "$(dirname "$0")/checks.sh"
export XDG_CONFIG_HOME=$dir/config
unset SGX_MODE OCCLUM_QUIET SOURCE_DATE_EPOCH

digest() { sha256sum "$@" | cut -d' ' -f1 | tr '\n' ' '; }

# ---- an installation of its own, with a stand-in kernel where none is built
mkdir -p "$dir/inst/bin" "$dir/inst/lib" "$dir/inst/etc"
cp "$build"/bin/* "$dir/inst/bin/"
cp -r "$build/etc/template" "$dir/inst/etc/"
have_kernel=
if [ -e "$build/lib/libos.elf" ]; then
    cp "$build/lib/libos.elf" "$dir/inst/lib/"
    [ -x "$build/bin/occlum-run" ] && have_kernel=yes
else
    echo 'int table[8] = {1}; void _start(void) { for (;;) table[0]++; }' > "$dir/k.c"
    gcc -c -O1 -ffreestanding -fno-pie -mcmodel=large -fno-stack-protector -o "$dir/k.o" "$dir/k.c"
    ld -static -nostdlib --build-id=none -Ttext-segment=0xff00000000 -o "$dir/inst/lib/libos.elf" \
        "$dir/k.o"
fi
occlum=$dir/inst/bin/occlum
cd "$dir" || exit 2

# ---- help and wrong commands
is 'no arguments' 64 "$occlum"
says 'no arguments' out 'COMMAND [ARGUMENT...]'
ok 'help' "$occlum" help
cp "$dir/out" "$dir/list"
for c in build cat completion cp doctor exec fsck gen-image-key help init kill ls mount new print ps run start status stop top trace; do
    says "help lists $c" list "  $c "
    ok "help $c" "$occlum" help $c
    ok "$c --help" "$occlum" $c --help
done
is 'unknown command' 64 "$occlum" biuld
says 'unknown command' err 'try: occlum build'
is 'help unknown' 64 "$occlum" help nothing
is 'unknown option' 64 "$occlum" build --nonsense
ok 'completion' "$occlum" completion bash
ok 'completion is bash' bash -n "$dir/out"

# ---- outside an instance
mkdir empty && cd empty || exit 2
for c in status build 'run /bin/x' 'print mrenclave'; do
    # shellcheck disable=SC2086
    is "$c outside an instance" 1 "$occlum" $c
    says "$c outside an instance" err 'is not an Occlum instance'
    says "$c outside an instance" err 'occlum new DIR'
done
is 'new without a name' 64 "$occlum" new
is 'new with two names' 64 "$occlum" new a b
cd ..

# ---- new and init
ok 'new' "$occlum" new one
is 'new where something is' 1 "$occlum" new one
says 'new where something is' err 'File exists'
for f in Occlum.json .__occlum_status image/bin image/lib64/ld-linux-x86-64.so.2 image/etc/passwd run \
    image/lib/x86_64-linux-gnu/libc.so.6 image/lib/ld-musl-x86_64.so.1 image/proc image/dev; do
    ok "new makes $f" test -e "one/$f"
done
is 'init in an instance' 1 "$occlum" -C one init
says 'init in an instance' err 'already'
is 'init with an argument' 64 "$occlum" -C one init nonsense
mkdir busy && echo keep > busy/Occlum.json
is 'init over a file' 1 "$occlum" -C busy init
ok 'init over a file leaves it' grep -qx keep busy/Occlum.json
mkdir two
ok 'init' "$occlum" -C two init
cd one || exit 2
ok 'status' "$occlum" status
says 'status' out initialized

# ---- run and print before build
is 'run before build' 1 "$occlum" run /bin/hello
says 'run before build' err 'try: occlum build'
is 'print before build' 1 "$occlum" print mrenclave
says 'print before build' err 'occlum build'
is 'print what' 64 "$occlum" print
is 'print nonsense' 64 "$occlum" print nonsense

# ---- configuration errors stop the build and name the line
cp Occlum.json good.json
sed -i 's/"4GB"/"4 gigs"/' Occlum.json
is 'bad size' 1 "$occlum" build
says 'bad size' err 'Occlum.json:3: resource_limits.user_space_size: "4 gigs" is not a size'
says 'bad size' err 'units: B, KB, MB, GB, TB'
sed 's/"max_num_of_threads"/"max_threads"/' good.json > Occlum.json
is 'unknown key' 1 "$occlum" build
says 'unknown key' err 'Occlum.json:4: resource_limits.max_threads: unknown key; allowed here: '
echo '{ "mount": [' > Occlum.json
is 'no JSON' 1 "$occlum" build
says 'no JSON' err 'Occlum.json:'
rm Occlum.json
is 'no Occlum.json' 1 "$occlum" build
ok 'nothing was built' test ! -e build/enclave.sgxs
mv good.json Occlum.json

# ---- build
printf '#include <stdio.h>\nint main(void) { puts("hello"); return 7; }\n' > "$dir/hello.c"
ok 'occlum-gcc' "$dir/inst/bin/occlum-gcc" -O2 -o image/bin/hello "$dir/hello.c"
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
says 'mrsigner has 64 digits' out "$(grep -xE '[0-9a-f]{64}' "$dir/out")"
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
ok 'a key' openssl genrsa -3 -out "$dir/key.pem" 3072
signer=$("$occlum" print mrsigner)
ok 'build --sign-key' "$occlum" build --sign-key "$dir/key.pem"
ok 'another signer' test "$signer" != "$("$occlum" print mrsigner)"
ok 'a wrong key' openssl genrsa -out "$dir/wrong.pem" 2048
is 'build with a wrong key' 1 "$occlum" build --sign-key "$dir/wrong.pem"
is 'build without the key file' 1 "$occlum" build --sign-key "$dir/none.pem"
says 'build without the key file' err 'openssl genrsa -3'
is 'build --image-key' 1 "$occlum" build --image-key "$dir/key.pem"
says 'build --image-key' err 'is no key'
ok 'gen-image-key' "$occlum" gen-image-key "$dir/image_key"
ok 'gen-image-key format' grep -qxE '([0-9a-f]{2}-){15}[0-9a-f]{2}' "$dir/image_key"
ok 'gen-image-key is private' test "$(stat -c%a "$dir/image_key")" = 600
is 'gen-image-key never overwrites' 1 "$occlum" gen-image-key "$dir/image_key"

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
is 'mode nonsense' 1 "$occlum" build --sgx-mode HYPER
says 'mode nonsense' err 'must be HW or SIM'
if [ ! -e /dev/sgx_enclave ]; then
    is 'run HW without SGX' 1 env SGX_MODE=HW "$occlum" run /bin/hello
    says 'run HW without SGX' err '/dev/sgx_enclave'
    says 'run HW without SGX names SIM' err '--sgx-mode SIM'
    is 'run --sgx-mode HW without SGX' 1 "$occlum" run --sgx-mode HW /bin/hello
    ok 'build for HW without SGX' "$occlum" build --sgx-mode HW
    says 'build for HW without SGX' err '--sgx-mode SIM'
    is 'run follows the build' 1 "$occlum" run /bin/hello
    says 'run follows the build' err 'by the last build'
fi
ok 'build for SIM' "$occlum" build --sgx-mode SIM
ok 'the same bytes for SIM' test "$before" = "$(digest build/image.erofs build/enclave.sgxs build/enclave.sig)"

# ---- what run refuses
is 'run without a program' 64 "$occlum" run
is 'run a relative path' 1 "$occlum" run hello
says 'run a relative path' err 'try: occlum run /bin/hello'
is 'run outside the entry points' 1 "$occlum" run /etc/hello
says 'run outside the entry points' err 'entry_points'

# ---- doctor
"$occlum" doctor > "$dir/out" 2> "$dir/err" || true
says 'doctor' out 'fsgsbase'
says 'doctor' out 'mkfs.erofs'
"$occlum" doctor --json > "$dir/doctor.json"
ok 'doctor --json' python3 -c 'import json, sys; [f["name"] + f["status"] for f in json.load(open(sys.argv[1]))]' \
    "$dir/doctor.json"
[ -e /dev/sgx_enclave ] || is 'doctor --sgx-mode HW' 1 "$occlum" doctor --sgx-mode HW

# ---- copy_bom
cat > "$dir/hello.yaml" <<'YAML'
includes:
  - base.yaml
targets:
  - target: /bin
    copy:
      - files:
          - image/bin/hello
YAML
ok 'copy_bom --dry-run' "$dir/inst/bin/copy_bom" -f "$dir/hello.yaml" --root "$dir/bom" --dry-run
ok 'copy_bom --dry-run changes nothing' test ! -e "$dir/bom"
ok 'copy_bom' "$dir/inst/bin/copy_bom" -f "$dir/hello.yaml" --root "$dir/bom"
ok 'copy_bom copies' cmp image/bin/hello "$dir/bom/bin/hello"
ok 'copy_bom copies the loader' test -s "$dir/bom/lib/ld-musl-x86_64.so.1"
is 'copy_bom without --root' 64 "$dir/inst/bin/copy_bom" -f "$dir/hello.yaml"
is 'copy_bom without a file' 1 "$dir/inst/bin/copy_bom" -f "$dir/none.yaml" --root "$dir/bom"

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
    ok "occlum-gcc $flags" "$dir/inst/bin/occlum-gcc" $flags -o "$dir/h" "$dir/hello.c"
    is "occlum-gcc $flags runs" 7 "$dir/h"
done
ok 'occlum-gcc -c' "$dir/inst/bin/occlum-gcc" -c -o "$dir/h.o" "$dir/hello.c"
ok 'occlum-gcc links' "$dir/inst/bin/occlum-gcc" -o "$dir/h" "$dir/h.o"
printf '#include <iostream>\nint main() { std::cout << "hello\\n"; return 7; }\n' > "$dir/hello.cc"
ok 'occlum-g++' "$dir/inst/bin/occlum-g++" -o image/bin/hello++ "$dir/hello.cc"
is 'occlum-g++ runs' 7 image/bin/hello++

# ---- running, where there is something to run with
if [ -n "$have_kernel" ]; then
    ok 'build before run' "$occlum" build
    is 'run gives the exit status' 7 timeout 60 "$occlum" run /bin/hello
    says 'run gives the output' out hello
    says 'run says SIM' err 'NO protection'
    is 'run quietly' 7 env OCCLUM_QUIET=1 timeout 60 "$occlum" run /bin/hello
    silent 'run quietly' err SIM
    is 'run g++' 7 timeout 60 "$occlum" run /bin/hello++
    says 'run g++' out hello
else
    echo "skipped: running programs (the kernel or occlum-run is not built)"
fi

verdict
