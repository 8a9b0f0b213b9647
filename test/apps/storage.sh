# Programs that work files hard: fio with checksums, stress-ng's stressors of files and directories, archives with owners,
# modes, times, links and attributes in and out, SQLite with a write-ahead log, git.
# needs: fio stress-ng tar attr sqlite3 git coreutils
programs fio stress-ng tar attr setfattr getfattr sqlite3 git sh mkdir cp rm cat sha256sum ls sort find sync stat env seq dd cmp true
mkdir -p "$root/usr/lib/git-core" "$root/usr/share/git-core/templates"
# ---- an archive of everything that a file can be
tree=$work/tree
rm -rf "$tree"
mkdir -p "$tree/dir/deep/er"
cp -a /usr/share/zoneinfo "$tree/zoneinfo" 2> /dev/null || cp -a /usr/share/doc/bash "$tree/zoneinfo"
cp -a /usr/lib/x86_64-linux-gnu/perl-base "$tree/perl" 2> /dev/null || true
for n in 1 2 3; do
    head -c $((n * 70000)) /dev/urandom > "$tree/dir/random$n"
    ln "$tree/dir/random$n" "$tree/dir/deep/hard$n"
    ln -s "../random$n" "$tree/dir/deep/soft$n"
    chmod "$((4700 + n * 11 % 77))" "$tree/dir/random$n" 2> /dev/null || chmod 0751 "$tree/dir/random$n"
    setfattr -n user.number -v "value $n" "$tree/dir/random$n" 2> /dev/null || true
    touch -d "1999-0$n-03 04:05:06.123456789" "$tree/dir/random$n"
done
mkfifo "$tree/dir/fifo"
truncate -s 3000000 "$tree/dir/sparse"
[ "$(id -u)" != 0 ] || chown 1234:4321 "$tree/dir/deep/soft1" "$tree/dir/random2" "$tree/dir/deep" -h
tar -C "$tree" --xattrs --sort=name --numeric-owner --format=posix --pax-option=delete=atime,delete=ctime -cf "$root/data/all.tar" .
rm -rf "$tree"
file pack.sh << 'END'
mkdir -p /root/out && cd /root/out
tar --xattrs --xattrs-include='*' --numeric-owner -xpf /data/all.tar || exit 1
sync
tar --xattrs --sort=name --numeric-owner --format=posix --pax-option=delete=atime,delete=ctime -cf /root/again.tar .
cmp /data/all.tar /root/again.tar && echo the same archive
ls -lRn --time-style=full-iso dir | grep -v '^total' | sha256sum
getfattr -R --absolute-names -d dir | sort | sha256sum
cd / && rm -r /root/out /root/again.tar && ls /root/out
END
file wal.sh << 'END'
cd /root && rm -f db*
for n in $(seq 1 30); do
    echo "begin; insert into t select value * $n, hex(zeroblob(200)) from series; commit; select count(*) from t;"
done > script
sqlite3 db 'pragma journal_mode=wal; create table t (n, x); create table series (value); with recursive s(i) as (select 1 union all select i + 1 from s where i < 200) insert into series select i from s;'
sqlite3 db < script
sqlite3 db 'pragma integrity_check; pragma wal_checkpoint; select sum(n) from t; pragma integrity_check'
ls db*
END
file repo.sh << 'END'
export HOME=/root GIT_AUTHOR_DATE='2000-01-01 00:00 +0000' GIT_COMMITTER_DATE='2000-01-01 00:00 +0000'
mkdir -p /root/repo && cd /root/repo && git init -q -b main .
git config user.name nobody; git config user.email nobody@example.com; git config gc.auto 0
for n in $(seq 1 12); do
    seq $n $((n * 400)) > "file$((n % 5))"; cp "file$((n % 5))" "copy$n"
    git add -A && git commit -q -m "number $n"
    [ $((n % 4)) != 0 ] || { git checkout -q -b "branch$n"; git rm -q "copy$n"; git commit -q -m gone; git checkout -q main; git merge -q --no-edit "branch$n"; }
done
git repack -q -a -d && git fsck --full --strict && git log --oneline | sha256sum && git status --short
END
run << 'END'
sh pack.sh
sh wal.sh
sh repo.sh
status: fio --name=random --directory=/root --thread --rw=randwrite --bs=4k --size=6m --verify=crc32c --verify_fatal=1 --ioengine=psync --fsync=32 --norandommap --randrepeat=1 --output=/root/fio.out
status: fio --name=mixed --directory=/root --thread --rw=randrw --bsrange=1k-64k --size=6m --verify=crc32c --verify_fatal=1 --ioengine=psync --output=/root/fio.out
status: fio --name=mapped --directory=/root --thread --rw=randwrite --bs=4k --size=4m --verify=crc32c --verify_fatal=1 --ioengine=mmap --output=/root/fio.out
status: fio --name=two --directory=/root --thread --numjobs=2 --rw=write --bs=256k --size=6m --verify=crc32c --verify_fatal=1 --ioengine=sync --end_fsync=1 --output=/root/fio.out
status: stress-ng --temp-path /root --verify --timeout 20 --dentry 1 --dentry-ops 2000 --rename 1 --rename-ops 2000 --link 1 --link-ops 200 --symlink 1 --symlink-ops 200
status: stress-ng --temp-path /root --verify --timeout 20 --dir 1 --dir-ops 500 --chmod 1 --chmod-ops 1000 --utime 1 --utime-ops 1000 --xattr 1 --xattr-ops 50 --filename 1 --filename-ops 200
status: stress-ng --temp-path /root --verify --timeout 20 --hdd 1 --hdd-bytes 4m --hdd-ops 60 --seek 1 --seek-size 2m --seek-ops 2000 --fallocate 1 --fallocate-bytes 8m --fallocate-ops 10
status: stress-ng --temp-path /root --verify --timeout 20 --flock 1 --flock-ops 500 --sync-file 1 --sync-file-bytes 2m --sync-file-ops 20 --fstat 1 --fstat-ops 500
find /root -maxdepth 1 -name "stress*"
END
