#!/bin/bash
# stress-ng inside the LibOS: the stressors of stress.list one after another, then all at a time. The status of
# each must be Linux' in the same run, and nothing may be called a failure that Linux does not fail at, too: the status
# does not tell of all. Inside each runs twice, and the second time must leave no more
# objects in the kernel than the first, caches apart: what only grows with use is a leak.
# Each CONFIG is an enclave of its own: VCPUS, or VCPUS:TICK for a host that ticks every TICK microseconds (0: never).
# usage: stress.sh BUILD [CONFIG...]    (default: 1 2 4 2:0 2:50)
#   STRESS_SECONDS=1   of each stressor;  STRESS="fork pipe" picks some
#   MIXED_SECONDS=20   of the mixed run;  0: none;  STRESS_DIR=... to work in;  V=1 says more
set -euo pipefail
export LC_ALL=C
top=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${1:-$top/build}" && pwd)
shift || true
configs=("$@")
[ ${#configs[@]} -gt 0 ] || configs=(1 2 4 2:0 2:50)
seconds=${STRESS_SECONDS:-1} mixed=${MIXED_SECONDS:-20} picked=" ${STRESS:-} "
work=${STRESS_DIR:-$build/test/stress}
limit=$((seconds * 5 + mixed + 60)) # a stressor may need long to clean up
program=$(type -P stress-ng) || { echo "stress: stress-ng is not installed (make deps)" >&2; exit 2; }
failed=0

# ---- what is run -----------------------------------------------------------------------------------
lines() { # CONFIG: those of the list that are wanted
    local name rest
    sed 's/#.*//' "$top/test/tools/stress.list" | while read -r name rest; do
        [ -n "$name" ] || continue
        [ -z "${STRESS:-}" ] || [[ $picked == *" $name "* ]] || continue
        [[ $1 != *:0 || $rest != *" ticks"* ]] || continue
        echo "$name ${rest/ ticks/}"
    done
}
options="--temp-path /tmp --verify --no-rand-seed --oomable"
mix="cpu fork vfork exec clone pthread futex pipe signal sigq sigrt sigsuspend kill timer timerfd itimer mmap
    mremap sem sem-sysv msg shm shm-sysv epoll poll fifo sock udp dir dentry"
mix=$(echo $mix)
user="setpriv --reuid 1000 --regid 1000 --clear-groups"
alone() { # CONFIG: one after another
    lines "$1" | while read -r name workers rest; do
        as=
        case " $rest " in *" user "*) rest=${rest/user/} as="$user " ;; esac
        echo "${as}stress-ng $options --timeout $seconds --$name $workers $rest"
    done
}
together() { # CONFIG: all that a run may mix: without those that judge how fast the machine is
    local args=''
    while read -r name workers rest; do
        [[ " $mix " == *" $name "* && $args != *" --$name "* ]] || continue
        args+=" --$name 1 ${rest/user/}"
    done < <(lines "$1")
    [ "$mixed" -eq 0 ] || [ -z "$args" ] || echo "$user stress-ng $options --timeout $mixed$args"
}
commands() { { alone "$1"; together "$1"; } | sed "s/  */ /g; s/ *$//"; } # CONFIG
# Files and IPC objects of workers that were killed stay, on Linux, too: they are no leak of the kernel.
cleaning='find /dev/shm /dev/mqueue /tmp -mindepth 1 -delete
ipcrm --all'
each() { # natively: three lines for each command
    local command
    while read -r command; do printf '%s 2>&1\n%s\n' "$command" "$cleaning"; done
}
cycle() { # COMMAND: inside, five lines
    printf '%s 2>&1\n%s\necho 3 >/proc/sys/vm/drop_caches\ncat /proc/slabinfo\n' "$1" "$cleaning"
}
# Cycles before anything is counted: then the programs have been read, and have been wherever the kernel keeps them warm.
warm=16
twice() { # inside
    local command n
    for ((n = 0; n < warm; n++)); do cycle "stress-ng $options --fork 4 --fork-ops 40"; done
    while read -r command; do cycle "$command"; cycle "$command"; done
}

# ---- both sides ------------------------------------------------------------------------------------
native() { # in a copy of the image, with names, pids and IPC objects of its own
    rm -rf "$work/root"
    cp -a "$work/instance/image" "$work/root"
    mkdir -p "$work/root"/{proc,dev,sys}
    each <"$work/commands" >"$work/root/data/commands"
    local inside='mount --rbind /dev "$1/dev" && mount -t proc proc "$1/proc" && mount -t tmpfs none "$1/tmp" &&
        mount -t tmpfs none "$1/dev/shm" && ip link set lo up && exec env -i /usr/sbin/chroot "$1" /bin/driver /data/commands "$2"'
    unshare -m -p -f -i -u -n bash -c "$inside" - "$work/root" "$limit" </dev/null
}
make_instance() {
    rm -rf "$work/instance"
    OCCLUM_QUIET=1 "$build/bin/occlum" new "$work/instance" >/dev/null
    mkdir -p "$work/instance/image"/{data,tmp,etc,root}
    chmod 1777 "$work/instance/image/tmp"
    echo 'root:x:0:0:root:/root:/bin/sh' >"$work/instance/image/etc/passwd"
    echo 'root:x:0:' >"$work/instance/image/etc/group"
    "$top/scripts/copy-elf" "$work/instance/image" "$program" $(type -P cat echo find ipcrm setpriv) "$build/test/apps/driver=/bin/driver"
    for config in "${configs[@]}"; do commands "$config" | twice >"$work/instance/image/data/commands-$config"; done
    sed -i 's/"resource_limits": {/"resource_limits": { "num_of_cpus": 4,/' "$work/instance/Occlum.json"
    (cd "$work/instance" && "$build/bin/occlum" build -f) >"$work/build.log" 2>&1 ||
        { tail -n 20 "$work/build.log" >&2; exit 2; }
    rm -rf "$work/run.built"
    cp -a "$work/instance/run" "$work/run.built"
}
inside() { # CONFIG
    local tick=()
    [[ $1 != *:* ]] || tick=(--tick "${1#*:}")
    rm -rf "$work/instance/run" # its volumes are sealed for a platform that, without a home, was made for one run
    cp -a "$work/run.built" "$work/instance/run"
    # Internet sockets are the host's: ports of its own, so that others' on this machine are in nobody's way
    unshare -n bash -c 'ip link set lo up && exec "$@"' - \
        timeout -k 5 "$(($(commands "$1" | wc -l) * 2 * limit))" env -i "$build/bin/occlum-run" \
        -i "$work/instance" -c "${1%:*}" "${tick[@]}" -- /bin/driver "/data/commands-$1" "$limit" </dev/null
}

# ---- the judgement ---------------------------------------------------------------------------------
statuses() { # FILE: number, status, milliseconds of each command
    tr -d '\000' <"$1" | sed -nE 's/^\x01end ([0-9]+) status ([0-9]+) ms ([0-9]+)$/\1 \2 \3/p'
}
frame() { awk -v n="$2" 'index($0, "\001begin ") == 1 { on = $2 == n; next } index($0, "\001end ") == 1 { on = 0 } on' "$1"; }
# Without the books of enclave pages (12,280 bytes each, for 512 pages), which stay as the pages do.
objects() { frame "$1" "$2" | awk '/^kmalloc-/ && $1 != "kmalloc-12280" { n += $2 } END { print n + 0 }'; }
complaints() { frame "$1" "$2" | grep -ac 'fail: ' || true; }
judge() { # CONFIG
    local n=0 at bad=0 good=0 command line want got again ms before growth fails out=$work/inside-$1.out
    statuses "$out" >"$work/inside.status"
    while read -r command; do
        n=$((n + 1)) at=$((warm * 5 + n * 10 - 9)) # the command, and five lines on once more
        line=$(($(grep -nxF -m 1 -e "$command" "$work/commands" | cut -d: -f1) * 3 - 2))
        want=$(awk -v n=$line '$1 == n { print $2 }' "$work/native.status")
        read -r got ms < <(awk -v n=$at '$1 == n { print $2, $3 }' "$work/inside.status") || { got=none; ms=; }
        read -r again < <(awk -v n=$((at + 5)) '$1 == n { print $2 }' "$work/inside.status") || again=none
        before=$(objects "$out" $((at + 4)))
        growth=$(($(objects "$out" $((at + 9))) - before))
        fails=$(($(complaints "$out" $at) + $(complaints "$out" $((at + 5)))))
        [ $fails -eq 0 ] || [ "$(complaints "$work/native.out" $line)" -eq 0 ] || fails=0
        [ -z "${V:-}" ] || echo "  $want $got $again ${ms:-?} ms +$growth  ${command#*"stress-ng $options --timeout "}"
        if [ "$got" = "$want" ] && [ "$again" = "$want" ] && [ $fails -eq 0 ] && [ "$before" -gt 0 ] &&
            [ "$growth" -lt 300 ]; then good=$((good + 1)); continue; fi
        bad=$((bad + 1))
        echo "  FAIL ${command#*"stress-ng $options "}: Linux $want, LibOS $got and $again, $growth objects more than $before"
        { frame "$out" $at; frame "$out" $((at + 5)); } | grep -aE 'fail|error' | head -n 6 | sed 's/^/       /' || true
    done < <(commands "$1")
    echo "$([ $bad -eq 0 ] && echo pass || echo FAIL) $1 ($good of $n)"
    [ $bad -eq 0 ] || failed=1
}

mkdir -p "$work"
for config in "${configs[@]}"; do commands "$config"; done | awk '!seen[$0]++' >"$work/commands"
[ -s "$work/commands" ] || { echo "stress: none of '$STRESS' is in the list" >&2; exit 2; }
make_instance
native >"$work/native.out" 2>"$work/native.err" || true
statuses "$work/native.out" >"$work/native.status"
for config in "${configs[@]}"; do
    inside "$config" >"$work/inside-$config.out" 2>"$work/inside-$config.err" || true
    judge "$config"
done
exit $failed
