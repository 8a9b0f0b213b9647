# needs: gcc g++ libc6-dev musl-tools
src=$top/test/apps/src
for how in -pie -static -static-pie -no-pie; do
    built "/bin/hello$how" gcc -O2 $how '-o "$out"' "$src/hello.c"
done
built /bin/hello-musl "$([ -x "$top/build/bin/occlum-gcc" ] && echo "$top/build/bin/occlum-gcc" || echo musl-gcc)" \
    -O2 '-o "$out"' "$src/hello.c"
built /bin/hello-musl-static musl-gcc -O2 -static '-o "$out"' "$src/hello.c"
built /bin/hello-c++ g++ -O2 -pthread '-o "$out"' "$top/test/guest/cout.cc"
built /bin/hello-c++-static g++ -O2 -static -pthread '-o "$out"' "$top/test/guest/cout.cc"
built /bin/hello-threads gcc -O2 -pthread '-o "$out"' "$src/threads.c"
built /bin/hello-threads-static gcc -O2 -static -pthread '-o "$out"' "$src/threads.c"
run <<'END'
hello-pie one "two words" ''
hello-static one "two words" ''
hello-static-pie one "two words" ''
hello-no-pie one "two words" ''
hello-musl one "two words" ''
hello-musl-static one "two words" ''
hello-c++
hello-c++-static
hello-threads
hello-threads-static
/bin/absent
END
