/* The idle pid 1 of a running instance: a process without a program, whose one thread stays here. It
 * takes the host's control requests (abi/control.h), starts a process with a session of its own for each
 * EXEC, reaps, and reports. Requests are hostile input: control_decode() has checked their form, policy
 * is the measured configuration's (command.c, and control.inspect for what is told of processes).
 *
 * All state belongs to that thread, so there are no locks; it never waits for another process, so that a
 * hung instance can still be looked at. States of a session: free (pid 0) -> running -> [hung up: its
 * client is gone, HANGUP_NS until SIGKILL] -> free when its first process is reaped. What that process left
 * behind in the background lives on, without the terminal.
 *
 * The end: STOP sends SIGTERM to everything and sets stop_at_ns; when all are gone or that time has come,
 * what is left is killed, and the enclave ends.
 */
#include "libos/boot/control.h"
#include "abi/linux/wait.h"
#include "libos/base/panic.h"
#include "libos/boot/boot.h"
#include "libos/boot/command.h"
#include "libos/boot/config.h"
#include "libos/boot/control_decode.h"
#include "libos/boot/load_init.h"
#include "libos/fs/console.h"
#include "libos/host/host.h"
#include "libos/mm/heap.h"
#include "libos/task/signal.h"
#include "libos/task/wait.h"

#define HANGUP_NS (2 * NSEC_PER_SEC)

struct session {
    int pid;     /* of its first process, which leads it; 0: free */
    uint32_t id; /* of the EXEC request */
    struct console *console;
    int64_t kill_at_ns; /* FOREVER: it has a client */
};

static struct {
    struct session sessions[HOST_SESSIONS];
    bool stopping;
    int64_t stop_at_ns;
    uint8_t *request;
} control = {.stop_at_ns = FOREVER};

void control_answer(uint32_t id, enum control_answer_kind kind, int64_t value, struct cspan data)
{
    (void) hostcall_io(HOSTCALL_control_answer, data, (struct span){0}, id, kind, (uint64_t) value,
                       0); /* the host's loss */
}

void control_refuse(uint32_t id, int error, const char *why)
{
    control_answer(id, CONTROL_FAILED, error, (struct cspan){(const uint8_t *) why, strlen(why)});
}

static void report(uint32_t id, enum control_answer_kind kind, int64_t value)
{
    control_answer(id, kind, value, (struct cspan){0});
}

/* ---- signals ---- */

struct session_signal {
    int sid, sig;
};

static int signal_member(struct process *p, void *arg)
{
    const struct session_signal *s = arg;
    struct linux_siginfo info = siginfo_kernel(s->sig);
    if (p->sid == s->sid && p->state == PROCESS_LIVE)
        (void) signal_send(p, &info); /* the kernel's cannot fail */
    return 0;
}

static void signal_session(const struct session *s, int sig)
{
    struct session_signal arg = {s->pid, sig};
    process_for_each(signal_member, &arg);
}

static bool for_foreground(int sig)
{
    return sig == SIGINT || sig == SIGQUIT || sig == SIGTSTP || sig == SIGTTIN || sig == SIGWINCH ||
           sig == SIGCONT;
}

/* As a terminal would: what it sends goes to its foreground, the rest to the program itself. */
static void forward_signal(const struct session *s, int sig)
{
    if (!s->pid)
        return;
    int pgid = for_foreground(sig) ? console_foreground(s->console) : 0;
    signal_send_pgrp(pgid > 0 ? pgid : s->pid, sig);
    if (sig == SIGCONT && pgid > 0 && pgid != s->pid)
        signal_send_pgrp(s->pid, sig);
}

static void kill_process(const struct control_request *r)
{
    if (boot_config()->header->features.inspect != CONTROL_INSPECT_FULL) {
        control_refuse(r->id, EPERM, "control.inspect in Occlum.json does not allow it");
        return;
    }
    struct process *p = process_lookup_get((int) r->a);
    if (!p || p->pid == 1) {
        control_refuse(r->id, p ? EPERM : ESRCH,
                       p ? "it is the instance: occlum stop" : "no such process");
        if (p)
            process_put(p);
        return;
    }
    struct linux_siginfo info = {.signo = (int) r->b, .code = SI_USER};
    int error = signal_send(p, &info);
    process_put(p);
    if (error < 0)
        control_refuse(r->id, -error, "too many signals are queued");
    else
        report(r->id, CONTROL_DONE, 0);
}

/* ---- sessions ---- */

/* In the new process's context, with its program in place or without one. */
static void command_done(const struct spawn_params *params, int error)
{
    struct boot_command *c = boot_command_of(params);
    if (error)
        control_refuse(c->id, error, process_start_error(error));
    boot_command_free(c);
}

static void close_streams(unsigned session)
{
    (void) hostcall(HOSTCALL_stdio_close, session, 0, 0); /* the host's descriptors */
}

/* Makes what is needed and starts it; -errno: nothing is left. */
static int start_command(struct session *s, struct boot_command *c)
{
    int r = console_new(c->session, &s->console);
    if (r < 0)
        return r;
    c->params.console = s->console;
    c->params.done = command_done;
    r = process_spawn_session(&c->params);
    if (r < 0)
        console_put(TAKE(s->console));
    return r;
}

static void exec(const struct control_request *r, const char *strings)
{
    struct session *s = &control.sessions[r->session];
    struct boot_command *c;
    const char *why = NULL;
    if (s->pid) {
        control_refuse(r->id, EBUSY, "the session is in use");
        return;
    }
    int e = control.stopping
                ? -ESHUTDOWN
                : boot_command_new(strings, r->strings_size, r->argc, r->envc, &c, &why);
    if (e < 0) {
        close_streams(r->session);
        control_refuse(r->id, -e,
                       why            ? why
                       : e == -ENOMEM ? "out of memory"
                                      : "the instance is stopping");
        return;
    }
    c->id = r->id;
    c->session = r->session;
    int pid = start_command(s, c);
    if (pid < 0) {
        boot_command_free(c);
        control_refuse(r->id, -pid, "no process can be made");
        return;
    }
    s->pid = pid;
    s->id = r->id;
    s->kill_at_ns = FOREVER;
    report(r->id, CONTROL_STARTED, pid);
}

static void hangup(struct session *s)
{
    if (!s->pid || s->kill_at_ns != FOREVER)
        return;
    s->kill_at_ns = clock_mono_ns() + HANGUP_NS;
    console_hangup(s->console);
    signal_session(s, SIGHUP);
    signal_session(s, SIGCONT);
}

/* ---- children ---- */

static struct session *session_of(int pid)
{
    for (unsigned i = 1; i < HOST_SESSIONS; i++)
        if (control.sessions[i].pid == pid)
            return &control.sessions[i];
    return NULL;
}

/* Its first process is a zombie, whose number is still the session's. */
static void session_end(struct session *s, int status)
{
    if (s->kill_at_ns != FOREVER)
        signal_session(s, SIGKILL);
    console_hangup(s->console);
    report(s->id, CONTROL_EXITED, status);
    console_put(s->console);
    *s = (struct session){0};
}

static void child_changed(const struct wait_result *child)
{
    struct session *s = session_of(child->pid);
    if (!s)
        return;
    if (child->info.code == CLD_STOPPED)
        report(s->id, CONTROL_STOPPED, child->info.chld.status);
    else if (child->info.code == CLD_CONTINUED)
        report(s->id, CONTROL_RESUMED, 0);
    else
        session_end(s, child->status);
}

/* Each is looked at before it is reaped: until then its number means it and nothing else. */
static void reap(void)
{
    struct wait_params w = {.type = LINUX_P_ALL,
                            .options = WEXITED | WSTOPPED | WCONTINUED | WNOHANG};
    struct wait_params peek = w;
    peek.options |= WNOWAIT;
    struct wait_result child;
    while (process_wait(&peek, &child) == 0 && child.pid) {
        child_changed(&child);
        w.type = LINUX_P_PID;
        w.id = child.pid;
        if (process_wait(&w, &child) < 0)
            break;
    }
}

/* ---- the end ---- */

static void stop(const struct control_request *r)
{
    int64_t at = clock_mono_ns() + r->a * NSEC_PER_SEC;
    control.stop_at_ns = MIN(control.stop_at_ns, at);
    if (control.stopping)
        return;
    control.stopping = true;
    struct linux_siginfo term = siginfo_kernel(SIGTERM), cont = siginfo_kernel(SIGCONT);
    (void) signal_send_all(&term); /* nobody there is fine */
    (void) signal_send_all(&cont);
}

static bool stopped(void)
{
    return control.stopping && (process_count() == 1 || clock_mono_ns() >= control.stop_at_ns);
}

static void kill_late(void)
{
    int64_t now = clock_mono_ns();
    for (unsigned i = 1; i < HOST_SESSIONS; i++) {
        struct session *s = &control.sessions[i];
        if (s->pid && now >= s->kill_at_ns) {
            signal_session(s, SIGKILL);
            s->kill_at_ns = now + HANGUP_NS;
        }
    }
}

static int64_t next_deadline(void)
{
    int64_t next = control.stop_at_ns;
    for (unsigned i = 1; i < HOST_SESSIONS; i++)
        if (control.sessions[i].pid)
            next = MIN(next, control.sessions[i].kill_at_ns);
    return next;
}

/* ---- requests ---- */

static void serve(const struct control_request *r, const char *strings)
{
    switch (r->op) {
    case CONTROL_EXEC:
        exec(r, strings);
        break;
    case CONTROL_SIGNAL:
        forward_signal(&control.sessions[r->session], (int) r->a);
        break;
    case CONTROL_HANGUP:
        hangup(&control.sessions[r->session]);
        break;
    case CONTROL_STOP:
        stop(r);
        break;
    case CONTROL_STATUS:
        control_status(r->id);
        break;
    case CONTROL_LIST:
        control_list(r->id, r->a & CONTROL_LIST_STACKS);
        break;
    case CONTROL_KILL:
        kill_process(r);
        break;
    }
}

static void serve_all(void)
{
    struct span room = {control.request, sizeof(struct control_request) + CONTROL_STRINGS_MAX};
    for (;;) {
        long n = hostcall_io(HOSTCALL_control_next, (struct cspan){0}, room, 0, 0, 0, 0);
        if (n < 0)
            return;
        struct control_request r;
        const char *strings;
        if (control_decode((struct cspan){room.p, (size_t) n}, &r, &strings) == 0)
            serve(&r, strings);
        else
            log_warn("a malformed control request of %ld bytes", n);
    }
}

void control_main(void)
{
    control.request = kzalloc(sizeof(struct control_request) + CONTROL_STRINGS_MAX);
    check(control.request);
    if (boot_first_process() < 0)
        panic("start-up: the first process");
    struct waiter requests, children;
    waiter_init(&requests);
    waiter_init(&children);
    waitq_add(host_control_queue(), &requests);
    waitq_add(&current_process()->child_wait, &children);
    while (!stopped()) {
        serve_all();
        reap();
        kill_late();
        if (!stopped())
            (void) thread_sleep(SLEEP_UNINTERRUPTIBLE, next_deadline()); /* it looks itself */
    }
    waitq_del(&requests);
    waitq_del(&children);
    process_end_others();
    reap();
    process_init_exited(0);
    panic("the enclave goes on without pid 1");
}
