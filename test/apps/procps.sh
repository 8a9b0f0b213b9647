# needs: procps bash coreutils grep sed gawk util-linux
# What the programs of procps read of /proc. Numbers differ from machine to machine, so the scripts print what
# must be equal: names, relations, states, headings, and whether numbers are plausible.
programs bash ps top free uptime pgrep pkill vmstat pidof pmap pwdx w slabtop sysctl tload watch \
    sleep cat grep sed gawk sort uniq head tail tr wc kill cut setsid env nice true
ln -sf bash "$root/usr/bin/sh"; ln -sf ../usr/bin/bash "$root/bin/sh"; ln -sf gawk "$root/usr/bin/awk"
printf 'other:x:1234:1234:other:/:/bin/sh\n' >>"$root/etc/passwd"; echo 'other:x:1234:' >>"$root/etc/group"
programs setpriv
mkdir -p "$root/lib/terminfo/d"; cp -L /lib/terminfo/d/dumb "$root/lib/terminfo/d/"
file common.sh <<'END'
ps() { command ps "$@" | tr -s ' '; return "${PIPESTATUS[0]}"; } # columns are as wide as the largest process number
asleep() { until [ "$(ps -o stat= -p "$1" | cut -c1)" = "${2:-S}" ]; do sleep 0.02; done; }
END
file ps.sh <<'END'
. ./common.sh
sleep 1000 & a=$!; nice -n 5 sleep 1001 & b=$!; setpriv --reuid=other --regid=other --clear-groups sleep 1002 & c=$!
until [ "$(ps -o comm= -p $a,$b,$c | sort -u)" = sleep ]; do sleep 0.02; done; for p in $a $b $c; do asleep $p; done
ps -o ppid=,comm=,args=,user=,uid=,ni=,nlwp= -p $a,$b,$c | awk -v me=$$ '{ print ($1 == me), $2, $3, $4, $5, $6, $7, $8 }'
ps aux | head -1; ps -ef | head -1; ps -eLf | head -1; ps l | head -1; ps -eo pid,ppid,stat,etime,time,rss,vsz,wchan:10,tty,cmd | head -1
ps aux | awk '$11 == "sleep" { print $1, ($3 < 50), ($4 < 50), ($5 > 0), ($6 > 0), substr($8, 1, 1), $11, $12 }'
ps -ef | awk '$8 == "sleep" { print $1, ($2 > 0), $8, $9 }'
ps -C sleep -o args=; ps --ppid $$ -o comm= >/tmp/children; sort /tmp/children | uniq -c | awk '{ print $1, $2 }'; ps -U other -o args=; ps -p 999999; echo absent $?
ps -o pid= -p $$ | awk -v p=$$ '{ print $1 == p }'; ps -ejH | grep -c sleep; ps axf | grep -c '[s]leep 100'
ps -o etimes= -p $$ | awk '{ print ($1 >= 0 && $1 < 3600) }'; ps -o lstart= -p $$ | awk '{ print NF }'
kill -STOP $a; asleep $a T; ps -o stat= -p $a; kill -CONT $a; asleep $a; ps -o stat= -p $a
kill -TERM $a; until [ "$(ps -o stat= -p $a)" != S ]; do sleep 0.02; done; wait $a; echo $?
pgrep -x sleep | awk -v b=$b -v c=$c '$1 == b || $1 == c' | wc -l; pgrep -a -f 'sleep 100[12]' | cut -d' ' -f2-; pgrep -u other -l | cut -d' ' -f2; pgrep -P $$ -c sleep
pgrep -n -x sleep | awk -v c=$c '{ print $1 == c }'; pidof sleep | wc -w; pgrep nothing; echo none $?
pmap $b | awk 'NR == 1 { sub(/^[0-9]*/, "PID"); print } /libc.so/ && /r-x|r-xp/ { n++ } END { print (n > 0), $1 }'; pwdx $b | cut -d' ' -f2
pkill -f 'sleep 1001'; wait $b; echo $?; pkill -u other; wait $c; echo $?; ps -C sleep; echo gone $?
sh -c 'exit 3' & sleep 0.01; wait $!; echo $?
END
file zombie.sh <<'END'
. ./common.sh
(sh -c 'until [ "$(cat /proc/$PPID/comm)" = sleep ]; do sleep 0.02; done; exit 3' & echo $! >/tmp/zombie; exec sleep 1000) & p=$!
until [ -s /tmp/zombie ]; do sleep 0.02; done; z=$(cat /tmp/zombie); asleep $z Z
ps -o stat=,args= -p $z; ps -o ppid= -p $z | awk -v p=$p '{ print $1 == p }'; kill $p; wait $p; echo $?
END
file top.sh <<'END'
export TERM=dumb
sleep 1000 & until [ "$(ps -o stat= -p $! | cut -c1)" = S ]; do sleep 0.02; done
top -b -n1 -w 200 >/tmp/top; echo $?
grep -cE '^top - [0-9:]+ up .* load average: [0-9.]+, [0-9.]+, [0-9.]+$' /tmp/top
grep -cE '^Tasks: +[0-9]+ total, +[0-9]+ running, +[0-9]+ sleeping, +[0-9]+ stopped, +[0-9]+ zombie' /tmp/top
grep -cE '^%Cpu\(s\): *[0-9.]+ us, *[0-9.]+ sy, .* id' /tmp/top; grep -cE '^MiB (Mem|Swap) *: +[0-9.]+ total' /tmp/top
grep ' PID' /tmp/top | tr -s ' '; awk '$NF == "sleep" { print $2, $3, $4, ($5 > 0), $8, $NF }' /tmp/top
top -b -n2 -d 0.1 | grep -c '^top - '; top -b -n1 -p $! | awk '$NF == "sleep"' | wc -l; top -b -n1 -o %MEM -u root | grep -c '^Tasks'
top -H -b -n1 | grep -c '^Threads'; kill $!
END
file system.sh <<'END'
free | awk 'NR == 1 { print $1, $2, $3, $6 } /Mem/ { print $1, ($2 > 0), ($3 >= 0), ($3 <= $2), ($4 <= $2), ($7 > 0) } /Swap/ { print $1, NF }'
free -m -t | awk '{ print $1 }'; free -h | awk '/Mem/ { print $2 ~ /[KMGT]i$/ }'; free -b | awk '/Mem/ { print $2 % 1024 }'
uptime | grep -cE '^ [0-9:]+ up .* load average: [0-9.]+, [0-9.]+, [0-9.]+$'; uptime -p | grep -c '^up'; uptime -s | grep -cE '^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}$'
vmstat | awk 'NR == 2 || NR == 3 { print NF }'; vmstat 1 2 | wc -l; vmstat -s | grep -cE 'total memory|free memory|boot time|forks|context switches'
vmstat -s | awk '/forks/ { print ($1 > 0) } /boot time/ { print ($1 > 1000000000) }'
sysctl -n kernel.ostype; sysctl -n kernel.pid_max | awk '{ print ($1 > 0) }'; sysctl kernel.absent 2>/dev/null; echo $?
a=$(vmstat -f | awk '{ print $1 }'); (true); (true); b=$(vmstat -f | awk '{ print $1 }'); echo $((b >= a + 2))
w -h >/dev/null; echo $?; cat /proc/loadavg | awk '{ print NF }'
END
run <<'END'
bash ps.sh
bash zombie.sh
bash top.sh
bash system.sh
ps --version
bash -c 'ps -o comm= -p $$'
ps --bad-option
END
