#!/bin/bash
# The own-key root image: nothing of it can be read in its file, the standard tool verifies it without the key,
# programs run with the key, and every wrong way to run it is refused with a word on what to do.
# usage: image.sh BUILD-DIR
. "$(dirname "$0")/instance.sh"
instance i keeper
occlum gen-image-key "$dir/key"
occlum gen-image-key "$dir/other"
mkdir image/a-name-that-is-secret
for ((n = 0; n < 9000; n++)); do echo 'contents that are secret'; done > image/a-name-that-is-secret/file
echo "a secret at /etc/more" > image/etc/more
head -c 2000000 /dev/zero > image/zeros
occlum build > /dev/null
plain=$(sha256sum < build/image.erofs)
grep -aq 'contents that are secret' build/image.erofs || fail "the test looks for the wrong words"
occlum build --image-key "$dir/key" > "$dir/out"
grep -q '^Built' "$dir/out" || fail "no new image for the key"
first=$(sha256sum build/image.erofs build/enclave.sgxs)
occlum build --image-key "$dir/key" > "$dir/out"
grep -q '^Nothing changed' "$dir/out" || fail "an unchanged image was made again"
occlum build -f --image-key "$dir/key" > /dev/null
[ "$first" = "$(sha256sum build/image.erofs build/enclave.sgxs)" ] || fail "not the same bytes again"

# ---- the host looks at the file: words long enough not to appear by chance
for words in 'contents that' 'secret' 'keeper' 'ld-linux' 'libgcc' 'a-name-that'; do
    ! grep -aq -- "$words" build/image.erofs || fail "\"$words\" can be read"
done
# Entropy of the enciphered part in bits per byte; and no block twice, where the plain one has hundreds of zeros.
blocks=$(($(grep -abo -m1 'verity' build/image.erofs | head -n 1 | cut -d: -f1) / 4096))
head -c $((blocks * 4096)) build/image.erofs | od -An -v -tu1 -w1 |
    awk '{n[$1]++} END {for (b in n) {p = n[b] / NR; h -= p * log(p) / log(2)} exit !(h > 7.999)}' ||
    fail "the image's entropy is low"
[ "$(head -c $((blocks * 4096)) build/image.erofs | split -b 4096 --filter=sha256sum | sort | uniq -d | wc -l)" = 0 ] ||
    fail "two blocks are equal"

# ---- Linux's own tool, without the key
cp build/image.erofs "$dir/tree"
root=$(veritysetup format --salt=- --uuid=6f63636c-756d-4000-8000-726f6f74696d --data-blocks="$blocks" \
    --hash-offset=$((blocks * 4096)) "$dir/tree" "$dir/tree" | awk '/Root hash/{print $3}')
cmp build/image.erofs "$dir/tree" || fail "the hash tree is not the standard one over the ciphertext"
veritysetup verify --hash-offset=$((blocks * 4096)) build/image.erofs build/image.erofs "$root" ||
    fail "veritysetup verify"

# ---- with the key, without, with another
[ "$(occlum run --image-key "$dir/key" /bin/keeper image)" = "a secret at /etc/more" ] || fail "run"
refused EKEYREJECTED occlum run /bin/keeper image
grep -q -- '--image-key FILE' "$dir/err" || fail "no hint"
refused EKEYREJECTED occlum run --image-key "$dir/other" /bin/keeper image
refused EKEYREJECTED occlum-run --image-key "$dir/other" -- /bin/keeper image # the kernel's own check
refused 'is no key' occlum run --image-key Occlum.json /bin/keeper image
refused 'cannot read' occlum run --image-key "$dir/nothing" /bin/keeper image
refused EKEYREJECTED occlum start
occlum start --image-key "$dir/key" > /dev/null
[ "$(occlum exec /bin/keeper image)" = "a secret at /etc/more" ] || fail "exec"
occlum stop > /dev/null

# ---- a changed block of ciphertext is an error, never garbage
cp build/image.erofs "$dir/copy"
printf x | dd of=build/image.erofs bs=1 seek=1100 conv=notrunc 2> /dev/null
refused 'was changed' occlum run --image-key "$dir/key" /bin/keeper image
cp "$dir/copy" build/image.erofs

# ---- without image/, and back to a readable one
mv image away
occlum build --image-key "$dir/key" > /dev/null || fail "a build without image/"
refused 'not enciphered with this key' occlum build --image-key "$dir/other"
refused 'no key was given' occlum build
mv away image
occlum build > /dev/null 2> "$dir/err"
grep -q 'becomes readable' "$dir/err" || fail "no warning that the image becomes readable"
[ "$plain" = "$(sha256sum < build/image.erofs)" ] || fail "the plain image is another one"
occlum run --image-key "$dir/key" /bin/keeper image > /dev/null 2> "$dir/err" || fail "a key too many"
grep -q 'has no use' "$dir/err" || fail "no word on a key without use"
echo "pass image"
