# needs: parallel expect util-linux bash busybox-static coreutils findutils tar gzip make perl procps gcc libc6-dev
# Many short processes: parallel, xargs, tar and make that run several at once; a thousand commands from one
# script; programs on a terminal that script and expect make.
programs bash perl script seq cat sort head tail wc md5sum tr true sleep timeout tar gzip xargs find touch rm mkdir env echo \
    stty tty kill ps printf cp cut expect which uname od dirname grep sed nproc mktemp
programs busybox make
compiler
"$top/scripts/copy-elf" "$root" /usr/bin/test
cp -L /usr/bin/parallel "$root/usr/bin/parallel"
ln -sf bash "$root/usr/bin/sh"; ln -sf ../usr/bin/bash "$root/bin/sh"
for d in $(perl -e 'print join " ", grep { -d && m{^/usr/(lib|share)} } @INC'); do tree "$d"; done
tree /usr/share/tcltk
mkdir -p "$root/data/tree"; for i in $(seq 30); do seq "$((i * 1000))" >"$root/data/tree/f$i"; done
file thousand.sh <<'END'
i=0 s=0; while [ $i -lt 1000 ]; do i=$((i+1)); n=$(/usr/bin/echo $i) || echo bad $i; s=$((s + n)); done; echo $s
i=0; while [ $i -lt 1000 ]; do i=$((i+1)); /usr/bin/true || echo bad $i; done; echo $i
for i in $(seq 100); do /usr/bin/env sh -c "exit $((i % 7))"; echo $?; done | sort | md5sum
END
file ash.sh <<'END'
trap 'echo usr1' USR1; trap 'echo bye' EXIT
seq 100 | while read n; do [ $((n % 10)) = 0 ] && echo $n; done | sort -rn | head -3
(kill -USR1 $$); sleep 0.01 & wait $!; echo waited $?
for i in 1 2 3; do (sleep 0.0$i; exit $i) & p="$p $!"; done; for q in $p; do wait $q; echo $?; done
x=$(cat <<H | tr a-z A-Z
here $((1 << 10))
H
); echo "$x"; set -- $(echo a b c); echo $#
timeout 0.05 sleep 10; echo timeout $?; ( trap '' TERM; kill -TERM $(sh -c 'echo $PPID'); echo survived )
f() { local y=$1; [ "$y" -le 0 ] || { echo $y; f $((y - 1)); }; }; f 4 | wc -l
sh -c 'kill -9 $$'; echo $?; echo abc | sed s/b/X/ | { read l; echo "$l"; }; set -e; (false) || echo caught
tar cf - tree | gzip -c | gzip -dc | tar tf - | wc -l; find tree -type f | xargs -n 5 -P 4 md5sum | sort | md5sum; exit 5
END
file terminal.exp <<'END'
set timeout 50; log_user 0
spawn -noecho bash --norc --noprofile -i
send "PS1='@@'; stty -echo\r"; expect "@@" ; expect "@@"
send "echo \$((6*7))\r"; expect "42"; puts "answer"
send "tty | cut -c1-8; stty size >/dev/null; echo st\$?\r"; expect "/dev/pts"; expect "st0"; puts "terminal"
send "sh -c 'echo \$((1+2))up; exec sleep 1000'\r"; expect "3up"; send "\032"; expect "Stopped"; puts "stopped"
send "bg; jobs\r"; expect "Running"; puts "running"
send "kill %1; wait; echo over\$?\r"; expect "over"; puts "killed"
send "cat\r"; send "typed\r"; expect "typed"; send "\004"; send "echo after\$((1+1))\r"; expect "after2"; puts "end of file"
send "sh -c 'echo \$((2+2))up; exec sleep 1000'\r"; expect "4up"; send "\003"; send "echo int\$?\r"; expect -re "int\[0-9\]+"; puts "interrupted"
send "exit 3\r"; expect eof; puts "status [lindex [wait] 3]"
END
mkdir -p "$root/data/proj"
for i in $(seq 24); do printf '#include <stdio.h>\n#include "p.h"\nint f%d(int x) { return x * %d + K; }\n' $i $i >"$root/data/proj/f$i.c"; done
echo '#define K 3' >"$root/data/proj/p.h"
{ seq -f 'int f%.0f(int);' 24; echo '#include <stdio.h>'; echo 'int main(void) { long s = 0;'; seq -f 's += f%.0f(10);' 24; echo 'printf("%ld\n", s); return 0; }'; } >"$root/data/proj/main.c"
printf 'O := $(patsubst %%.c,%%.o,$(sort $(wildcard *.c)))\nall: prog ; @./prog\nprog: $O ; @gcc -o $@ $O\n%%.o: %%.c p.h ; @gcc -O2 -Wall -c $<\n' >"$root/data/proj/Makefile"
run <<'END'
bash thousand.sh
busybox ash ash.sh
make -C proj -s -j4 --no-print-directory
bash -c 'touch -d "2030-01-01" proj/p.h; make -C proj -s -j4 --no-print-directory; make -C proj -q -o p.h prog; echo $?'
bash -c 'tar czf /tmp/t.tgz tree; tar xzf /tmp/t.tgz -C /tmp; cat /tmp/tree/f* | md5sum; tar tzf /tmp/t.tgz | wc -l'
bash -c 'seq 40 | xargs -P4 -n1 sh -c "echo \$((\$0 * \$0))" | sort -n | tail -2'
bash -c 'seq 5 | xargs -P4 -I{} sh -c "exit {}"; echo $?'
bash -c 'find tree -type f | xargs -P4 -n3 md5sum | sort | md5sum'
parallel --will-cite -j4 -k echo {} {#} ::: a b c d e f
bash -c 'seq 20 | parallel --will-cite -j4 "sleep 0.0{}; echo {}" | sort -n | md5sum'
bash -c 'parallel --will-cite -j2 exit ::: 0 1 0 3; echo $?'
bash -c 'seq 2000 | parallel --will-cite --pipe -N500 -k wc -l'
parallel --will-cite -k --tag 'printf "%s-%s\n" {1} {2}' ::: x y ::: 1 2
bash -c 'timeout 0.1 sleep 5; echo $?'
timeout -s KILL 0.1 sleep 5
timeout --preserve-status 0.1 sleep 5
script -qec 'tty | cut -c1-8; echo on a terminal; exit 4' /tmp/typescript
bash -c 'echo "echo typed; exit 6" | script -qe -c sh /tmp/typescript2 >/dev/null; echo $?; grep -c typed /tmp/typescript2'
expect -f terminal.exp
END
