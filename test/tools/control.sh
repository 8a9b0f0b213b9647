#!/bin/bash
# A running instance: start, exec, stop, ps, top, kill, status; many clients, dying clients, a killed
# runtime, a wrong user, and what the measured configuration forbids.
# usage: control.sh [BUILD-DIR]
. "$(dirname "$0")/instance.sh"
at_end() { occlum -C "$dir/i" stop -t 0 > /dev/null 2>&1; }
# until NAME COMMAND...: it succeeds sooner or later
until_ok() {
    local name=$1 i
    shift
    for i in $(seq 300); do if "$@" > /dev/null 2>&1; then pass; return; fi; sleep 0.1; done
    miss "$name: never: $*"
}
count() { occlum ps | grep -cF -- "$1"; }
counts() { [ "$(count "$1")" -eq "$2" ]; }
listed() { occlum ps | awk -v s="$1" 'index($0, s) { print $1; exit }'; }

instance i resident
cp /bin/busybox image/bin/busybox
ln -s busybox image/bin/cat
cp /bin/true image/sbin/elsewhere
occlum build > /dev/null
. "$top/test/tools/checks.sh"

# ---- nothing runs
for c in 'exec /bin/cat' stop ps 'kill 2' 'top -b -n 1'; do
    # shellcheck disable=SC2086
    is "$c, not running" 1 occlum $c
    says "$c, not running" err 'try: occlum start'
done
is 'status, not running' 0 occlum status
says 'status, not running' out built
is 'start with a program' 64 occlum start /bin/cat

# ---- start
is start 0 occlum start
says start out 'running, process '
is 'start twice' 1 occlum start
says 'start twice' err 'runs already'
is status 0 occlum status
says status out running
says 'status has memory' out 'memory  '
is 'the directory is private' 0 test "$(stat -c %a .control)" = 700
is 'the socket is private' 0 test "$(stat -c %a .control/socket)" = 600

# ---- exit status, standard files, environment
is 'exit status' 7 occlum exec /bin/resident exit 7
is 'death by a signal' 139 occlum exec /bin/resident die 11
is 'not there' 127 occlum exec /bin/nothing
says 'not there' err 'not in the image'
is 'not an entry point' 126 occlum exec /sbin/elsewhere
says 'not an entry point' err entry_points
is 'entry point by ..' 126 occlum exec /bin/../sbin/elsewhere
is 'a relative path' 126 occlum exec resident
says 'a relative path' err 'try: occlum exec /bin/resident'
is 'exec what' 64 occlum exec
is 'exec -t without a terminal' 1 occlum exec -t /bin/cat
is 'output and errors' 0 occlum exec /bin/resident both
says 'output and errors' out 'to stdout'
says 'output and errors' err 'to stderr'
silent 'output and errors' out 'to stderr'
head -c 3000000 /dev/urandom > data
timeout 60 occlum exec /bin/cat < data | cmp - data && pass || miss 'a file through'
timeout 60 cat data | timeout 60 occlum exec /bin/cat | timeout 60 occlum exec /bin/cat | cmp - data && pass ||
    miss 'pipes through two programs'
TERM=from-outside is 'a variable that is let in' 0 occlum exec /bin/resident env TERM
says 'a variable that is let in' out from-outside
is '-e' 0 occlum exec -e TERM=given /bin/resident env TERM
says '-e' out given
SECRET=x is 'a variable that is not' 0 occlum exec -e SECRET=y /bin/resident env SECRET
says 'a variable that is not' out unset
is 'too large' 1 occlum exec /bin/cat "$(head -c 120000 /dev/zero | tr '\0' x)" \
    "$(head -c 120000 /dev/zero | tr '\0' x)"
says 'too large' err larger

occlum exec /bin/resident exit 9 0<&- 1>&- 2>&-
is 'closed standard files' 0 test $? -eq 9
sleep 1 && occlum build -f > /dev/null
is 'exec after a build' 0 occlum exec /bin/resident exit 0
says 'exec after a build' err 'runs the older one'

# ---- many at once
pids=()
for i in $(seq 30); do
    (echo "$i" | timeout 60 occlum exec /bin/cat > "many.$i" && timeout 60 occlum exec /bin/resident exit "$i"; echo $? > "status.$i") &
    pids+=($!)
done
wait "${pids[@]}"
wrong=0
for i in $(seq 30); do
    [ "$(cat "many.$i")" = "$i" ] && [ "$(cat "status.$i")" = "$i" ] || wrong=$((wrong + 1))
done
is 'thirty clients' 0 test $wrong -eq 0

# ---- signals of a client, and its death
occlum exec /bin/resident signals > sig.out 2> sig.err &
client=$!
until_ok 'the program is there' grep -q ready sig.out
for s in INT TERM HUP QUIT USR1 WINCH; do
    kill -s $s $client
    until_ok "SIG$s is forwarded" grep -q "caught $(printf %02d "$(kill -l $s)")" sig.out
done
kill -s USR2 $client
wait $client
is 'its exit status' 0 test $? -eq 4
occlum exec /bin/resident family 3 > fam.out 2>/dev/null &
family=$!
occlum exec /bin/resident stubborn > stub.out 2>/dev/null &
stubborn=$!
occlum exec /bin/resident sleep > /dev/null 2>&1 &
sleeper=$!
until_ok 'a family' grep -q ready fam.out
until_ok 'a stubborn one' grep -q ready stub.out
until_ok 'five sleep' counts 'resident sleep' 4
is ps 0 occlum ps
says 'ps has arguments' out '/bin/resident family 3'
is 'ps --stacks' 0 occlum ps --stacks
says 'ps --stacks' out 'asleep in wait4'
says 'ps --stacks names functions' out 'process_wait+0x'
is 'top -b' 0 occlum top -b -n 2 -d 0.2
says 'top -b' out '/bin/resident family 3'
is 'top without a terminal' 1 occlum top
kill -9 $family $stubborn
until_ok 'a dead client takes its family along' counts 'resident family' 0
until_ok 'and the children' counts 'resident sleep' 1
until_ok 'and one that ignores SIGHUP' counts 'resident stubborn' 0
is 'others live on' 0 kill -0 $sleeper

# ---- kill
is 'kill what' 64 occlum kill
is 'kill nonsense' 64 occlum kill -s NONSENSE 2
is 'kill nobody' 1 occlum kill 30000
says 'kill nobody' err 'no such process'
is 'kill the instance' 1 occlum kill -s KILL 1
is 'kill' 0 occlum kill -s USR1 "$(listed 'resident sleep')"
wait $sleeper
is 'its client sees it' 0 test $? -eq 138

# ---- other users
if [ "$(id -u)" -eq 0 ] && id nobody > /dev/null 2>&1 && command -v setpriv > /dev/null; then
    chmod 755 "$dir" "$PWD"
    is 'another user' 1 setpriv --reuid=65534 --regid=65534 --clear-groups occlum status
    chmod 711 .control && chmod 666 .control/socket
    is 'another user, open doors' 1 setpriv --reuid=65534 --regid=65534 --clear-groups occlum exec /bin/cat
    says 'another user, open doors' err 'cannot talk to the instance'
    python3 - > "$dir/out" 2> "$dir/err" <<'P'
import os, socket
os.setgroups([]); os.setgid(65534); os.setuid(65534)
s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
s.connect('.control/socket')
s.settimeout(30)
print('bytes', len(s.recv(1)))
P
    says 'the runtime refuses the peer' out 'bytes 0'
    chmod 700 .control && chmod 600 .control/socket
fi

# ---- nonsense on the socket
is 'the runtime survives nonsense' 0 python3 -c "
import os, socket, struct
for n in (1, 47, 48, 5000):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM); s.connect('.control/socket')
    try: s.sendall(os.urandom(n))
    except OSError: pass
    s.close()
def ask(op, session=0, argc=0, envc=0, strings=b'', size=None, a=0, b=0):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM); s.connect('.control/socket'); s.settimeout(10)
    s.sendall(struct.pack('<QIIIIIIqq', 0x4c5254434343434f, op, 1, session, argc, envc,
        len(strings) if size is None else size, a, b) + strings)
    return s
ask(1, argc=1, strings=b'/bin/cat\0').close()
ask(2, session=1, a=9).close()
ask(3, session=1).close()
ask(1, argc=1, size=1 << 31).close()
for op in (0, 8, 99): ask(op).close()
ask(4, a=-5).close(); ask(7, a=-1, b=9).close(); ask(6, a=77).close()
"
is 'and still works' 5 occlum exec /bin/resident exit 5

# ---- a runtime that is killed
occlum exec /bin/resident sleep > out.killed 2> err.killed &
client=$!
until_ok 'a program' counts 'resident sleep' 1
kill -9 "$(occlum status | awk '$1 == "process" { print $2 }')"
wait $client
is 'its client learns' 0 test $? -eq 137
is 'status after that' 0 occlum status
silent 'status after that' out running
is 'the socket is left' 0 test -S .control/socket
is 'exec finds nobody' 1 occlum exec /bin/cat
says 'exec finds nobody' err 'does not run'
is 'start over it' 0 occlum start

# ---- stop while busy
occlum exec /bin/resident stubborn > stub.out 2>/dev/null &
stubborn=$!
occlum exec /bin/resident sleep > /dev/null 2>&1 &
sleeper=$!
until_ok 'busy' counts 'resident' 2
is 'stop -t 1' 0 occlum stop -t 1
wait $sleeper
is 'a program that SIGTERM ends' 0 test $? -eq 143
wait $stubborn
is 'one that it does not end' 0 test $? -eq 137
is 'status after stop' 0 occlum status
silent 'status after stop' out running
is 'the socket is gone' 1 test -e .control/socket
is start 0 occlum start
kill "$(occlum status | awk '$1 == "process" { print $2 }')"
until_ok 'SIGTERM to the runtime is a stop' test ! -e .control/socket

# ---- what the measured configuration says
configure 's/"debuggable": true/"debuggable": false/'
occlum build > /dev/null
is 'production: no start' 1 occlum start
configure 's/"feature": {/"control": { "exec": true },\n    "feature": {/'
occlum build > /dev/null
is 'production, with exec' 0 occlum start
is 'production, exec' 6 occlum exec /bin/resident exit 6
is 'production, ps' 1 occlum ps
says 'production, ps' err 'control.inspect'
is 'production, kill' 1 occlum kill 2
is 'production, stop' 0 occlum stop
configure 's/"exec": true/"exec": true, "inspect": "numbers"/'
occlum build > /dev/null
is 'numbers, start' 0 occlum start
occlum exec /bin/resident sleep > /dev/null 2>&1 &
two() { occlum status | grep -q 'processes *2 '; }
until_ok 'numbers, a program' two
is 'numbers, ps' 0 occlum ps
silent 'numbers, ps' out resident
is 'numbers, ps --stacks' 1 occlum ps --stacks
is 'numbers, kill' 1 occlum kill 2
is 'numbers, stop' 0 occlum stop -t 0
wait

verdict
