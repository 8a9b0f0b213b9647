/*
 * Runs the command lines of a file and prints, framed, what each wrote to standard output and how it
 * ended. A small shell without fork: words with quotes, <file >file >>file 2>&1, and pipelines. Used on Linux
 * and inside the LibOS alike, so that one enclave start serves a whole list (scripts/run-apps).
 * The commands run in the directory of the list.
 * usage: driver LIST [SECONDS PER COMMAND]
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_WORDS = 128, MAX_STAGES = 8, NOT_STARTED = 127, TIMED_OUT = 124 };

struct stage {
    char *argv[MAX_WORDS + 1];
    char *in, *out;
    bool append, errors; /* >>, 2>&1 */
    int count;
};

extern char **environ;
static volatile sig_atomic_t alarmed;

static void on_alarm(int sig)
{
    (void) sig;
    alarmed = 1;
}

/* Takes one word off *at, unquoted in place. */
static char *next_word(char **at)
{
    char *from = *at, *to = from, *word = from;
    while (*from && *from != ' ') {
        if (*from == '\'' || *from == '"') {
            char quote = *from++;
            while (*from && *from != quote) {
                if (quote == '"' && *from == '\\' && (from[1] == '"' || from[1] == '\\'))
                    from++;
                *to++ = *from++;
            }
            if (*from)
                from++;
        } else {
            *to++ = *from++;
        }
    }
    *at = *from ? from + 1 : from;
    *to = '\0';
    return word;
}

/* The number of stages, 0 for an empty line. */
static int parse(char *line, struct stage *stages)
{
    int n = 0;
    memset(stages, 0, sizeof *stages * MAX_STAGES);
    while (*line) {
        struct stage *s = &stages[n];
        if (*line == ' ') {
            line++;
        } else if (line[0] == '|' && line[1] == ' ') {
            line += 2;
            if (++n == MAX_STAGES)
                return 0;
        } else if (strncmp(line, "2>&1", 4) == 0) {
            line += 4;
            s->errors = true;
        } else if (line[0] == '<') {
            line++;
            s->in = next_word(&line);
        } else if (line[0] == '>') {
            s->append = line[1] == '>';
            line += s->append ? 2 : 1;
            s->out = next_word(&line);
        } else if (s->count < MAX_WORDS) {
            s->argv[s->count++] = next_word(&line);
        } else {
            return 0;
        }
    }
    return stages[0].count ? n + 1 : 0;
}

/* The error, or 0 with the process in *ret_pid. Both descriptors may be -1. */
static int start(struct stage *s, int in, int out, pid_t *ret_pid)
{
    posix_spawn_file_actions_t acts;
    int how = O_WRONLY | O_CREAT | (s->append ? O_APPEND : O_TRUNC);
    posix_spawn_file_actions_init(&acts);
    if (s->in)
        posix_spawn_file_actions_addopen(&acts, 0, s->in, O_RDONLY, 0);
    else if (in >= 0)
        posix_spawn_file_actions_adddup2(&acts, in, 0);
    else
        posix_spawn_file_actions_addopen(&acts, 0, "/dev/null", O_RDONLY, 0);
    if (s->out)
        posix_spawn_file_actions_addopen(&acts, 1, s->out, how, 0644);
    else
        posix_spawn_file_actions_adddup2(&acts, out, 1);
    if (s->errors)
        posix_spawn_file_actions_adddup2(&acts, 1, 2);
    int error = posix_spawnp(ret_pid, s->argv[0], &acts, NULL, s->argv, environ);
    posix_spawn_file_actions_destroy(&acts);
    return error;
}

/* Exit status, or 128 + signal; a command that takes too long is killed with its whole pipeline. */
static int wait_all(pid_t *pids, int n)
{
    int status = 0, result = 0;
    for (int i = 0; i < n; i++) {
        while (pids[i] > 0 && waitpid(pids[i], &status, 0) < 0) {
            for (int k = i; alarmed && k < n; k++)
                kill(pids[k], SIGKILL);
        }
        result = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
    return alarmed ? TIMED_OUT : result;
}

static int run_stages(struct stage *stages, int n, int out, unsigned limit)
{
    pid_t pids[MAX_STAGES] = {0};
    int in = -1, ends[2] = {-1, -1}, started = 0, error = 0;
    for (int i = 0; i < n && !error; i++) {
        if (i < n - 1 && pipe2(ends, O_CLOEXEC) < 0)
            return NOT_STARTED;
        error = start(&stages[i], in, i < n - 1 ? ends[1] : out, &pids[i]);
        if (in >= 0)
            close(in);
        in = -1;
        if (i < n - 1) {
            close(ends[1]);
            in = ends[0];
        }
        started += !error;
    }
    if (in >= 0)
        close(in);
    if (error)
        fprintf(stderr, "driver: %s: %s\n", stages[started].argv[0], strerror(error));
    alarmed = 0;
    alarm(limit);
    int status = wait_all(pids, started);
    alarm(0);
    return error ? NOT_STARTED : status;
}

/* As the first process it inherits whom its commands left behind: those that have ended are no zombies for long. */
static void reap_orphans(void)
{
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

static void copy_out(int fd)
{
    char b[65536];
    ssize_t n;
    char last = '\n';
    lseek(fd, 0, SEEK_SET);
    while ((n = read(fd, b, sizeof b)) > 0) {
        fwrite(b, 1, (size_t) n, stdout);
        last = b[n - 1];
    }
    if (last != '\n')
        printf("\n(no newline at the end)\n");
}

int main(int argc, char **argv)
{
    static struct stage stages[MAX_STAGES];
    static char line[16384], copy[16384];
    struct sigaction act = {.sa_handler = on_alarm};
    unsigned limit = argc > 2 ? (unsigned) strtoul(argv[2], NULL, 10) : 60;
    FILE *list = argc > 1 ? fopen(argv[1], "re") : NULL;
    if (!list) {
        fprintf(stderr, "usage: driver LIST [SECONDS]\n");
        return 2;
    }
    snprintf(copy, sizeof copy, "%s", argv[1]);
    char *slash = strrchr(copy, '/');
    if (slash) {
        *slash = '\0';
        if (chdir(slash == copy ? "/" : copy) < 0) {
            perror(copy);
            return 1;
        }
    }
    sigaction(SIGALRM, &act, NULL);
    for (int i = 1; fgets(line, sizeof line, list); i++) {
        line[strcspn(line, "\n")] = '\0';
        snprintf(copy, sizeof copy, "%s", line);
        int n = parse(copy, stages);
        if (n == 0)
            continue;
        int out = open("/tmp/driver.out", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (out < 0) {
            perror("driver: /tmp/driver.out");
            return 1;
        }
        printf("\001begin %d\n", i);
        fflush(stdout);
        struct timespec start, end;
        clock_gettime(CLOCK_MONOTONIC, &start);
        int status = run_stages(stages, n, out, limit);
        clock_gettime(CLOCK_MONOTONIC, &end);
        copy_out(out);
        long ms = (end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1000000;
        printf("\001end %d status %d ms %ld\n", i, status, ms);
        fflush(stdout);
        close(out);
        reap_orphans();
    }
    fclose(list);
    return 0;
}
