# needs: make gcc libc6-dev bash coreutils
# A thousand commands from a script, and a C project built by four jobs: what fork, exec and wait cost in real
# use. make test-apps APPS=builds TIME=1 shows the times.
programs bash make true rm cat seq
compiler
ln -sf bash "$root/usr/bin/sh"; ln -sf ../usr/bin/bash "$root/bin/sh"
file thousand.sh <<'END'
n=0; for i in $(seq 1000); do /usr/bin/true && n=$((n + 1)); done; echo $n
END
file substitutions.sh <<'END'
n=0; for i in $(seq 300); do x=$(echo $i | cat); n=$((n + x)); done; echo $n
END
mkdir -p "$root/data/proj"
for i in $(seq 40); do
    printf '#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <unistd.h>\n' >"$root/data/proj/f$i.c"
    for j in $(seq 20); do
        printf 'int f%d_%d(int x) { char b[64]; int s = 0; for (int i = 0; i < x; i++) { snprintf(b, sizeof b, "%%d", i ^ %d); s += (int) strlen(b); } return s; }\n' $i $j $j
    done >>"$root/data/proj/f$i.c"
done
{ seq -f 'int f%.0f_1(int);' 40; echo '#include <stdio.h>'; echo 'int main(void) { long s = 0;'; seq -f 's += f%.0f_1(1000);' 40; echo 'printf("%ld\n", s); return 0; }'; } >"$root/data/proj/main.c"
printf 'O := $(patsubst %%.c,%%.o,$(sort $(wildcard *.c)))\nall: prog\n\t@./prog\nprog: $O ; @gcc -o $@ $O\n%%.o: %%.c ; @gcc -O2 -c $<\nclean: ; @rm -f *.o prog\n' >"$root/data/proj/Makefile"
run <<'END'
bash thousand.sh
bash substitutions.sh
make -C proj -s -j4 --no-print-directory all
make -C proj -s --no-print-directory clean
make -C proj -s -j4 --no-print-directory all
END
