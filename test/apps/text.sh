# needs: grep sed gawk diffutils findutils file bc jq
programs grep sed gawk cmp diff diff3 sdiff find xargs file bc jq cat sort echo
[ ! -e /usr/lib/file/magic.mgc ] || { mkdir -p "$root/usr/lib/file"; cp /usr/lib/file/magic.mgc "$root/usr/lib/file/"; }
mkdir -p "$root/etc" "$root/usr/share/misc"; cp -L /etc/magic "$root/etc/"; cp -L /usr/share/misc/magic.mgc "$root/usr/share/misc/" 2>/dev/null || true
awk 'BEGIN { for (i = 1; i <= 3000; i++) print i, "word" i % 17, i * i % 1009 }' | file table
awk 'BEGIN { for (i = 1; i <= 3000; i++) if (i % 100) print i, "word" i % 17, i * i % 1009 }' | file table2
printf '{"a": [1, 2.5, {"b": null}], "c": "\\u00e9\\n", "d": true}\n' | file x.json
mkdir -p "$root/data/find/a/b" "$root/data/find/c"; : >"$root/data/find/a/one.c"; echo x >"$root/data/find/a/b/two.c"
run <<'END'
grep -c word3 table
grep -E '^1[0-9]{2} ' table
grep -P 'word(1|2)\b.*7$' table
grep -vn word table
grep -rn x find
grep -o -b 'word16' table | sort -u | cat
grep -F -f x.json table
sed -n 10,12p table
sed -e 's/word\([0-9]*\)/<\1>/' -e '5q' table
sed -i.bak 1,2990d table2
cat table2
sed y/abc/xyz/ x.json
gawk '{ n[$2] += $3 } END { for (k in n) print k, n[k] | "cat" }' /dev/null
gawk '{ n[$2] += $3 } END { m = asorti(n, s); for (i = 1; i <= m; i++) print s[i], n[s[i]] }' table
gawk 'BEGIN { printf "%.10f %d %s\n", atan2(0, -1), 2^53, toupper("abc") }'
gawk -v RS= 'END { print NR }' table
gawk 'BEGIN { print strftime("%F %T", 86399, 1); print length("\303\251") }'
cmp table table2
diff table table2.bak
diff -u --label old --label new table2 table
diff3 table table2 table2.bak
find find | sort
find find -name '*.c' -size -2 -printf '%f %s\n'
find find -type d -empty
find find -name '*.c' -exec echo found {} +
find find -type f | xargs -n 1 echo each
find absent
file table x.json find /bin/file
file -b --mime-type x.json
echo 'scale=50; 4*a(1); 2^200; sqrt(2)' | bc -l
jq . x.json
jq -c '.a[2], .c, (.a | length)' x.json
jq -n '[range(10)] | map(. * .) | add'
jq .a.b x.json
END
