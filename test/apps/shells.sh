# needs: bash dash zsh busybox-static coreutils grep sed findutils tar gzip make perl-base
programs bash dash zsh fish ls cat sort uniq wc md5sum seq head tail tr true false sleep timeout tar gzip find xargs \
    grep sed mktemp rm mkdir touch env make echo cut basename dirname printf kill cmp diff perl tee nproc chmod
programs busybox
ln -sf bash "$root/usr/bin/sh"; ln -sf ../usr/bin/bash "$root/bin/sh"
mkdir -p "$root/data/tree/a/b"; for i in 1 2 3 4 5; do echo "file $i" >"$root/data/tree/a/f$i"; done

# What every Bourne shell can do.
file common.sh <<'END'
echo a | cat | wc -c
(x=1; echo $x; exit 3); echo $?
for i in 1 2 3; do seq $i 20 | sort -rn | head -2 | tr '\n' ' '; done; echo
v=$(echo hello | tr a-z A-Z); echo $v $(echo $(echo nested))
f() { echo in f $1; return 3; }
f 1 | cat; f 2; echo $?
cat <<X | md5sum
here $v $((6 * 7))
X
sleep 0.05 & p=$!; wait $p; echo waited $?
( sleep 0.02; exit 9 ) & wait $!; echo background $?
seq 1 100000 | md5sum
{ echo x; echo y >&2; } 2>&1 | sort
i=0; while [ $i -lt 100 ]; do i=$((i+1)); env true; done; echo $i
i=0; while [ $i -lt 40 ]; do i=$((i+1)); (exit $((i % 3))) || n=$((n+1)); done; echo $n
timeout 0.1 sleep 5; echo t $?
find tree -name 'f*' -exec echo found {} \; | sort
find tree -name 'f*' -exec grep -c file {} + | sort
seq 9 | xargs -P 3 -n 2 echo | sort
tar czf /tmp/t.tgz tree && tar tzf /tmp/t.tgz | sort && rm /tmp/t.tgz
sh -c 'kill -TERM $$; sleep 1'; echo killed $?
sh -c 'trap "echo got usr1" USR1; kill -USR1 $$; echo after'
sh -c 'trap "echo bye" EXIT; exit 4'; echo $?
sh -c 'echo one; exec echo two'
yes_() { while echo y; do :; done; }; yes_ 2>/dev/null | head -3
x=$(seq 3000); echo "$x" | tail -1; echo "$x" | wc -c
read a b <<Y
first second third
Y
echo "$b"; set -- 1 2 3; echo $# $*
case abc in a*) echo match;; esac
exit 7
END
file bash.sh <<'END'
a=(1 2 3); echo ${a[@]} ${#a[@]}
coproc { while read -r l; do echo "<$l>"; done; }
echo hi >&"${COPROC[1]}"; read -r r <&"${COPROC[0]}"; echo "$r"
eval "exec ${COPROC[1]}>&-"; wait "$COPROC_PID"
diff <(seq 3) <(seq 2 4)
while read -r l; do s+=$l; done < <(printf '%s\n' a b c); echo $s
set -o pipefail; false | true; echo $?
echo ${PIPESTATUS[@]}
for i in {1..8}; do (sleep 0.0$i; exit $i) & done; for j in {1..8}; do wait -n; echo $?; done | sort
shopt -s lastpipe; echo last | read -r w; echo $w
mapfile -t m < <(seq 4); echo ${#m[@]}
time_out() { local t; t=$( { sleep 0.01; } 2>&1 ); }; time_out; echo ok
set -m; sleep 0.02 & wait; echo done
END
file zsh.zsh <<'END'
a=(one two three); print ${#a} $a[2]
print -l **/*(.N) | sort | head -3
for f in {1..5}; do (exit $f) & done; wait; print waited
print $(( 2 ** 10 )) ${(U)a[1]}
diff =(seq 3) =(seq 4) | cat
seq 5 | while read n; do (( s += n )); done; print $s
END
file Makefile <<'END'
N := $(shell seq 1 40)
all: $(N:%=out/%.o) ; @cat out/*.o | md5sum; cat out/*.o | wc -l
out/%.o: ; @mkdir -p out; seq $* > $@
clean: ; rm -rf out
END
file fork.pl <<'END'
my @p; for my $i (1 .. 10) { my $pid = fork; if (!$pid) { exit $i } push @p, $pid }
print join(" ", map { waitpid($_, 0); $? >> 8 } @p), "\n";
pipe(my $r, my $w); if (!fork) { close $r; print $w "from child $_\n" for 1 .. 3; exit 0 }
close $w; print while <$r>; wait;
open(my $c, "-|", "seq 3") or die; print <$c>; close $c; print "status $?\n";
print `echo backticks; exit 3`, $? >> 8, "\n"; system("false"); print $? >> 8, "\n";
my $big = "x" x 5_000_000; if (!fork) { $big =~ tr/x/y/; exit(substr($big, -1) eq "y" ? 0 : 1) } wait; print "$? ", substr($big, -1), "\n";
END
file fish.fish <<'END'
set v (echo one two | string split ' '); echo $v[2] (count $v)
for i in (seq 3); echo $i | cat; end
function f; echo in f $argv; return 4; end
f x; echo $status
seq 10 | sort -rn | head -1; begin; echo a; echo b; end | wc -l
sh -c 'exit 6'; echo $status; sleep 0.01 &; wait; echo waited
END
run <<'END'
fish --no-config fish.fish
bash common.sh
dash common.sh
zsh --emulate sh common.sh
busybox ash common.sh
bash bash.sh
zsh -f zsh.zsh
make -j8 -s all
make -s clean
bash -c 'make -s -j4 all; echo $?'
perl fork.pl
bash -c 'seq 1 50 | while read n; do echo $n; done | sort -n | tail -1'
bash -c 'for i in 1 2 3 4 5 6; do for j in 1 2 3; do ( ( exit $i ) ; echo $? ); done; done | sort | uniq -c'
END
