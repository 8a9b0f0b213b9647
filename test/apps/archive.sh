# needs: tar gzip xz-utils bzip2 coreutils
programs tar gzip xz bzip2 cat sha256sum ls cp rm mkdir cmp
mkdir -p "$root/data/tree/deep/er"
for i in $(seq 1 40); do seq "$i" $((i * 50)) >"$root/data/tree/deep/f$i"; done
ln -s f1 "$root/data/tree/deep/link"; ln "$root/data/tree/deep/f2" "$root/data/tree/deep/er/hard"
seq 1 300000 | file big
run <<'END'
tar --sort=name --mtime=@0 --owner=0 --group=0 -cf a.tar tree
tar tvf a.tar
sha256sum a.tar
mkdir out
tar -C out -xf a.tar
cat out/tree/deep/f40 | sha256sum
ls -l --time-style=+ out/tree/deep/link
tar df a.tar
gzip -kn big
gzip -l big.gz
sha256sum big.gz
gzip -t big.gz
gzip -dc big.gz | sha256sum
gzip -9 -c big | gzip -dc | sha256sum
xz -k -1 big
xz -dc big.xz | sha256sum
xz -T2 -k -c big | xz -t
xz -l big.xz
bzip2 -k big
bzip2 -dc big.bz2 | sha256sum
sha256sum big.bz2
gzip -t big
tar tf absent
tar tf big
END
