/* For noticks.sh: alarms, sleeps and a fair share of the processor, by system calls only. */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t rang;

static void ring(int sig)
{
    (void) sig;
    rang = 1;
}

int main(void)
{
    signal(SIGALRM, ring);
    alarm(1);
    while (!rang)
        getppid();
    puts("alarm");
    int fd[2];
    if (pipe(fd) < 0)
        return 1;
    pid_t child = fork();
    if (child == 0) { /* has its turn though the parent never sleeps */
        if (write(fd[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            getppid();
    }
    signal(SIGCHLD, SIG_DFL);
    char c;
    if (read(fd[0], &c, 1) != 1)
        return 1;
    kill(child, SIGKILL);
    int status;
    waitpid(child, &status, 0);
    puts(WIFSIGNALED(status) ? "killed" : "not killed");
    return 0;
}
