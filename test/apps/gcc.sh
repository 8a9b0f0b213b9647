# needs: gcc libc6-dev binutils
compiler
programs objdump nm readelf size strip ar ranlib cat
file hello.c <<'END'
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int compare(const void *a, const void *b) { return strcmp(*(char *const *) a, *(char *const *) b); }
int main(int argc, char **argv)
{
    qsort(argv + 1, argc - 1, sizeof *argv, compare);
    for (int i = 1; i < argc; i++)
        printf("%s %.3f\n", argv[i], sqrt(i));
    return argc;
}
END
file bad.c <<'END'
int main(void) { return undeclared; }
END
run <<'END'
gcc -v
gcc -O2 -S -o hello.s hello.c
cat hello.s
gcc -O2 -Wall -c hello.c
size hello.o
nm hello.o
gcc -o hello hello.o -lm
./hello c b a
gcc -O2 -static -o hello-static hello.c -lm
./hello-static c b a
gcc -E -dM hello.c | cat
gcc bad.c
objdump -d hello.o
ar rc lib.a hello.o
ar t lib.a
strip hello
./hello x
END
# the same by hand: nothing here needs two programs with fixed addresses at once
triple=$(gcc -dumpmachine)
cc=/usr/lib/gcc/$triple/$(gcc -dumpversion) lib=/usr/lib/$triple
run <<END
$cc/cc1 -quiet -O2 -Wall hello.c -o steps.s
cat steps.s
as -o steps.o steps.s
size steps.o
objdump -dr steps.o
ld -pie -dynamic-linker /lib64/ld-linux-x86-64.so.2 -o steps $lib/Scrt1.o $lib/crti.o steps.o -L$lib -L$cc -lm -lc $lib/crtn.o
./steps c b a
ld -static -o steps-static $lib/crt1.o $lib/crti.o $cc/crtbeginT.o steps.o -L$lib -L$cc --start-group -lm -lc -lgcc -lgcc_eh --end-group $cc/crtend.o $lib/crtn.o
./steps-static c b a
strip steps
./steps x
ar rc steps.a steps.o
ranlib steps.a
nm steps.a
readelf -hlW steps
$cc/cc1 -quiet bad.c -o bad.s
END
