/*
 * The smallest process says nothing, so its status alone would prove nothing either: started again as
 * a child it returns 0 at once, and the parent reports that it saw exactly that.
 */
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>

extern char **environ;

int main(int argc, char **argv)
{
    char child[] = "child", *args[] = {argv[0], child, NULL};
    pid_t pid;
    int status = -1;
    if (argc > 1)
        return 0;
    if (posix_spawn(&pid, argv[0], NULL, NULL, args, environ) != 0)
        return 1;
    if (waitpid(pid, &status, 0) != pid || status != 0)
        return 2;
    printf("empty child: status %d\n", status);
    return 0;
}
