/* Control of a running instance (`occlum start`): what the host asks of the kernel, and what comes back.
 *
 * The same two records travel twice. A client (`occlum exec`, stop, ps ...) sends a request to the
 * runtime over a Unix stream socket; the runtime sets id and session and holds the request until the
 * kernel takes it (HOSTCALL_control_next). The kernel's answers (HOSTCALL_control_answer) go back to
 * the client that asked. To the kernel a request is bytes of a hostile host: libos/boot/control_decode.c
 * says what it accepts. Data only.
 */
#ifndef ABI_CONTROL_H
#define ABI_CONTROL_H
#include <stdint.h>

#define CONTROL_MAGIC       0x4c5254434343434full
#define CONTROL_STRINGS_MAX (200u * 1024) /* arguments and environment of one exec */
#define CONTROL_STOP_MAX    86400

enum control_op {
    CONTROL_EXEC = 1,   /* strings: argv, then environment. The session's streams are its files */
    CONTROL_SIGNAL = 2, /* a: signal, to what the session runs in the foreground */
    CONTROL_HANGUP = 3, /* the session's client is gone: its processes end */
    CONTROL_STOP = 4,   /* a: seconds between SIGTERM and SIGKILL for everything */
    CONTROL_STATUS = 5, /* struct control_status */
    CONTROL_LIST = 6,   /* a: CONTROL_LIST_*; struct control_status, then control_process records */
    CONTROL_KILL = 7,   /* a: pid, b: signal */
    /* From client to runtime only. a: 1, the client is in the foreground of its terminal; 0, it is not, and
     * the program must not take its input. EXEC has the same in a, but the other way round: 1, it is not. */
    CONTROL_TERMINAL = 100,
};
#define CONTROL_LIST_STACKS 1u /* of each thread, where it sleeps in the kernel */

struct control_request {
    uint64_t magic;
    uint32_t op;
    uint32_t id;      /* the runtime's; answers carry it */
    uint32_t session; /* EXEC, SIGNAL, HANGUP: 1 .. HOST_SESSIONS - 1; else 0 */
    uint32_t argc, envc;
    uint32_t strings_size; /* bytes behind this struct: argc + envc strings, NUL-terminated */
    int64_t a, b;
};
_Static_assert(sizeof(struct control_request) == 48, "shared");

enum control_answer_kind {
    CONTROL_FAILED = 1,  /* value: errno; data: why, for people. The last answer */
    CONTROL_DONE = 2,    /* the last answer */
    CONTROL_DATA = 3,    /* a piece of the result; more answers follow */
    CONTROL_STARTED = 4, /* EXEC; value: pid */
    CONTROL_STOPPED = 5, /* EXEC: the program was stopped; value: signal */
    CONTROL_RESUMED = 6, /* EXEC: it goes on */
    CONTROL_EXITED = 7,  /* EXEC; value: wait status. The last answer */
    CONTROL_INPUT =
        8, /* of the runtime: the program wants input that is not the client's to give */
};

/* Runtime to client, on the socket. */
struct control_answer {
    uint64_t magic;
    uint32_t kind;
    uint32_t size; /* bytes of data behind this struct */
    int64_t value;
};
_Static_assert(sizeof(struct control_answer) == 24, "shared");

/* What the measured configuration lets the host see of processes (control.inspect). */
enum control_inspect {
    CONTROL_INSPECT_OFF = 0,
    CONTROL_INSPECT_NUMBERS = 1, /* no names, arguments, users and stacks; no kill */
    CONTROL_INSPECT_FULL = 2,
};

struct control_status {
    int64_t uptime_ns, realtime_ns;
    uint64_t user_limit, user_used; /* bytes of all programs */
    uint64_t heap_limit, heap_used; /* bytes of the kernel */
    uint32_t vcpus;
    uint32_t inspect;            /* enum control_inspect */
    uint32_t processes, threads; /* 0 if inspect is OFF */
};
_Static_assert(sizeof(struct control_status) == 64, "shared");

/* A process, or one of its threads behind it. text: the arguments, NUL-terminated, back to back; of a
 * thread where it sleeps, in lines. */
struct control_process {
    uint32_t text_size;
    int32_t tid; /* 0: the process */
    int32_t pid, ppid;
    uint32_t uid;
    uint32_t state; /* a letter as in ps */
    uint32_t threads;
    uint32_t reserved;
    int64_t cpu_ns, start_ns; /* start: uptime_ns then */
    uint64_t resident, size;  /* bytes */
    char name[16];
};
_Static_assert(sizeof(struct control_process) == 80, "shared");
#endif
