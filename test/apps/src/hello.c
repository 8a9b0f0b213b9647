/* Arguments, formatted output of all kinds, floating point, the heap, the exit status. */
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    volatile double x = 2;
    setlocale(LC_ALL, "");
    printf("Hello World! %d arguments, %.6f, %s\n", argc - 1, x * 1.5 / 7, getenv("HOME"));
    for (int i = 1; i < argc; i++)
        printf("%d: <%s>\n", i, argv[i]);
    char *p = malloc(3000000);
    memset(p, 'x', 3000000);
    printf("%c%c\n", p[0], p[2999999]);
    free(p);
    return 7;
}
