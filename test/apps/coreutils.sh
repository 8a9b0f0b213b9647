# needs: coreutils
programs ls sort sha256sum sha1sum md5sum b2sum dd cp mv rm mkdir rmdir ln tail head wc seq date env cat \
    tac nl od base64 base32 cut paste join comm uniq tr fold fmt expand unexpand split csplit shuf cksum sum \
    stat touch truncate chmod basename dirname readlink realpath pwd echo printf test expr factor true false \
    yes tee id uname nproc sleep timeout printenv mktemp du df install tsort numfmt link unlink sync stdbuf \
    nohup nice kill pathchk dir vdir arch hostid logname mkfifo pr ptx who
tree /usr/libexec/coreutils
for i in 1 2 3 4 5 6 7 8 9; do mkdir -p "$root/data/tree/d$i/sub"; echo "file $i" >"$root/data/tree/d$i/sub/f"; done
ln -s d1/sub/f "$root/data/tree/link"
touch -d '2020-02-02 02:02:02 UTC' "$root"/data/tree/*/sub/f
seq 1 20000 | shuf --random-source=/bin/ls | file numbers
printf 'pear 3\napple 1\nfig 2\n' | file fruit
printf 'apple red\nfig blue\npear green\n' | file colours
run <<'END'
ls
ls -R tree
ls -1 --time-style=+%s -go tree/d1/sub
ls -lan --time-style=+ tree/d3/sub/f tree/link
ls -F tree
ls absent
sort -n numbers | sha256sum
sort -r --parallel=4 -S 100K numbers | md5sum
sort -k 2 fruit
sort -c numbers
sha256sum numbers fruit
sha1sum numbers
b2sum numbers
cksum numbers
sum numbers
dd if=numbers of=part bs=1000 skip=3 count=5 status=none
sha256sum part
dd if=/dev/zero bs=64K count=64 status=none | wc -c
cp -a tree tree2
ls -lR --time-style=+%s tree2 | wc -l
stat -c '%n %s %a %F %Y' tree2/d5/sub/f
stat -c '%n %s %a %F' tree2/link
cp -v fruit fruit2
mv -v fruit2 fruit3
ln -v fruit3 fruit4
stat -c %h fruit4
ln -sfv fruit3 soft
readlink -f soft
realpath tree/../fruit
rm -rfv tree2/d1
rmdir tree
mkdir -pv x/y/z
touch -d '2001-01-01 UTC' x/t
stat -c %Y x/t
truncate -s 12345 x/t
wc -c x/t
chmod -v 640 x/t
install -v -m 755 fruit x/inst
tail -n 4 numbers
tail -c 30 numbers
head -n -19995 numbers
wc numbers fruit
seq 1 0.5 3
seq -w 8 11
date -u -d @1000000000
date -u -d '2024-02-28 + 2 days' +%F
env
env -i A=b env
printenv HOME
cat -A fruit
tac fruit
nl fruit
od -A x -t x1z fruit
base64 fruit
base32 fruit
cut -c 2-4 fruit
paste -d , fruit colours
sort fruit >sorted
join sorted colours
comm sorted colours
uniq -c colours
tr -d aeiou <fruit
fold -w 3 fruit
fmt -w 10 fruit
expand fruit
split -l 5000 numbers piece
ls
wc -l pieceaa pieceab pieceac piecead
csplit -s numbers 100 200
wc -l xx00 xx01 xx02
shuf -i 1-10 --random-source=numbers
basename /x/y.c .c
dirname /x/y.c
pwd
echo -e 'a\tb'
printf '%08.3f|%-5s|%x\n' 3.14159 ab 255
test 3 -lt 4
test -e absent
expr length hello
expr 7 % 0
factor 1234567890 9999999967
true
false
yes abc | head -n 1000 | md5sum
cat numbers | tee copy | wc -l
id -un
uname -s
uname -o
sleep 0.01
timeout 0.2 sleep 10
timeout --signal=KILL 0.2 sleep 10
numfmt --to=iec 123456789
tsort colours
du -s --apparent-size -b fruit
du -s fruit numbers
status: df /
status: nproc
status: date
status: uname -a
nice true
nohup echo through nohup
stdbuf -o L echo buffered
env -C tree ls
mktemp -u -d abcXXX | wc -c
pr -t -2 -l 10 fruit
sync
kill -l TERM
mkfifo pipe1
stat -c %F pipe1
pathchk /usr
cat absent
cat <numbers | wc
END
