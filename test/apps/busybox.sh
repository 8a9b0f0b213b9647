# needs: busybox-static
programs busybox
seq 1 2000 | file numbers
printf 'b 2\na 1\nc 3\na 9\n' | file words
run <<'END'
busybox echo hello
busybox true
busybox false
busybox cat words numbers
busybox wc numbers
busybox sort -r words
busybox sort -k2 -n words
busybox grep -n a words
busybox grep nothing words
busybox sed s/a/X/ words
busybox awk '{ s += $1 } END { print s }' numbers
busybox head -n 3 numbers
busybox tail -n 3 numbers
busybox md5sum numbers
busybox sha256sum numbers words
busybox sha512sum numbers
busybox cut -d ' ' -f 2 words
busybox tr a-z A-Z <words
busybox uniq -c words
busybox seq 5 -1 1
busybox expr 6 '*' 7
busybox printf '%05d %s\n' 42 x
busybox test -f words
busybox test -d words
busybox mkdir -p d/e/f
busybox touch d/e/f/file
busybox find d
busybox cp -a d d2
busybox ls -R d2
busybox rm -r d
busybox ls d
busybox ln -s words link
busybox readlink link
busybox cat link
busybox stat -c '%n %s %F %a' words
busybox dd if=numbers of=copy bs=100 count=7
busybox cmp copy numbers
busybox od -c words
busybox hexdump -C words
busybox base64 words
busybox gzip -k numbers
busybox zcat numbers.gz | busybox cksum
busybox tar cf t.tar words numbers
busybox tar tf t.tar
busybox cat numbers | busybox sort -n | busybox tail -n 1
busybox yes | busybox head -n 3
busybox diff words numbers | busybox head -n 5
busybox basename /a/b/c.d .d
busybox dirname /a/b/c
busybox env
busybox pwd
busybox id -u
busybox uname -s
busybox uname -m
busybox sleep 0.01
busybox date -u -d @86400
busybox timeout 1 busybox sleep 5
busybox xargs busybox echo got <words
busybox sh -c 'x=3; while [ $x -gt 0 ]; do echo $x; x=$((x-1)); done'
busybox absent-applet
END
