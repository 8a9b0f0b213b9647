#!/bin/bash
# kill -9 of the runtime at random moments while a program writes to its volume. Each line that the program printed had
# been synced, so the next start must show it; files that change together are seen together; fsck finds nothing.
# usage: kill.sh BUILD-DIR        KILLS=30 rounds; FSCK=10: each so manieth round with fsck
. "$(dirname "$0")/instance.sh"
kills=${KILLS:-30} fsck=${FSCK:-10}
instance i keeper
occlum gen-image-key key
occlum build --volume-key key > /dev/null
occlum run --volume-key key /bin/keeper count > /dev/null || fail "the first start"
acknowledged=0 written=0
for ((n = 1; n <= kills; n++)); do
    occlum run /bin/keeper write > "$dir/out" 2> "$dir/err" &
    pid=$!
    sleep "0.$(printf %03d $((RANDOM % 350)))"
    kill -9 "$pid" 2> /dev/null || true
    wait "$pid" 2> /dev/null || true
    last=$(grep '^synced [0-9]*\.$' "$dir/out" | tail -n 1 | tr -dc 0-9 || true)
    [ -z "$last" ] || acknowledged=$last
    [ -z "$last" ] || written=$((written + 1))
    now=$(occlum run /bin/keeper verify 2> "$dir/err") || fail "after kill $n: ${now:-no start}"
    [ "$now" -ge "$acknowledged" ] || fail "after kill $n: $now, but $acknowledged was acknowledged"
    ((n % fsck)) || occlum fsck --key key root > "$dir/err" 2>&1 || fail "after kill $n: $(tail -n 3 "$dir/err")"
done
[ "$written" -gt $((kills / 4)) ] || fail "only $written of $kills kills hit a program that wrote"
echo "pass kill ($kills kills, $written while it wrote, $acknowledged states synced)"
