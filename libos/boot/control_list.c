/* What the host may know of processes: answers to STATUS and LIST. control.inspect of the measured
 * configuration decides, since names and arguments are as secret as anything else in a release enclave.
 *
 * Reading the arguments of a process waits for its memory, which a hanging process may hold; so LIST has a
 * thread of its own, and with stacks, which is for finding out about hangs, it takes spin locks only and
 * tells neither arguments nor sizes.
 */
#include "abi/layout.h"
#include "libos/base/atomic.h"
#include "libos/base/printf.h"
#include "libos/base/symbols.h"
#include "libos/boot/boot.h"
#include "libos/boot/config.h"
#include "libos/boot/control.h"
#include "libos/mm/heap.h"
#include "libos/mm/mm.h"
#include "libos/mm/uaccess.h"
#include "libos/mm/upages.h"
#include "libos/sys/syscall.h"
#include "libos/task/cputime.h"
#include "libos/task/sched.h"
#include "libos/task/stacks.h"
#include "libos/vfs/inode.h"

enum { ANSWER_SIZE = 65536, ARGUMENTS_MAX = 4096, STACK_TEXT_MAX = 2048, LISTERS_MAX = 8 };

/* An answer being put together; it leaves in pieces of whole records. */
struct listing {
    uint32_t id;
    bool full; /* inspect */
    bool stacks;
    uint8_t *buffer;
    size_t used;
};

static enum control_inspect inspect(void)
{
    return (enum control_inspect) boot_config()->header->features.inspect;
}

/* ---- sums ---- */

static struct control_status status_now(void)
{
    struct heap_stats h;
    heap_stats(&h);
    struct control_status s = {
        .uptime_ns = clock_mono_ns(),
        .realtime_ns = clock_realtime_ns(),
        .user_limit = upages_live_limit * PAGE_SIZE,
        .user_used = upages_live_total * PAGE_SIZE,
        .heap_limit = h.limit * PAGE_SIZE,
        .heap_used = h.used_pages * PAGE_SIZE,
        .vcpus = (uint32_t) sched_cpu_count(),
        .inspect = inspect(),
    };
    if (s.inspect == CONTROL_INSPECT_OFF)
        return s;
    s.processes = (uint32_t) process_count();
    s.threads = (uint32_t) process_thread_total();
    return s;
}

void control_status(uint32_t id)
{
    struct control_status s = status_now();
    control_answer(id, CONTROL_DATA, 0, CSPAN_OF(s));
    control_answer(id, CONTROL_DONE, 0, (struct cspan){0});
}

/* ---- records ---- */

static void send(struct listing *l)
{
    if (l->used > 0)
        control_answer(l->id, CONTROL_DATA, 0, (struct cspan){l->buffer, l->used});
    l->used = 0;
}

static void add(struct listing *l, const struct control_process *record, const void *text)
{
    if (sizeof *record + record->text_size > ANSWER_SIZE - l->used)
        send(l);
    memcpy(l->buffer + l->used, record, sizeof *record);
    memcpy(l->buffer + l->used + sizeof *record, text, record->text_size);
    l->used += sizeof *record + record->text_size;
}

/* The arguments, up to a limit; 0: it has none, or none now. */
static size_t arguments(struct process *p, struct span buf)
{
    AUTO(mm_put) struct mm *mm = process_mm_get(p);
    uaddr_t from = p->arg_start, to = p->arg_end;
    if (!mm || to.v <= from.v)
        return 0;
    size_t n = MIN(to.v - from.v, buf.n);
    if (mm_copy_from(mm, (struct span){buf.p, n}, from) < 0)
        return 0;
    buf.p[n - 1] = 0;
    return n;
}

static void fill_memory(struct control_process *r, struct process *p)
{
    AUTO(mm_put) struct mm *mm = process_mm_get(p);
    struct mm_stats m = {0};
    if (mm)
        mm_stats(mm, &m);
    r->resident = m.resident * PAGE_SIZE;
    r->size = m.total * PAGE_SIZE;
}

static void add_process(struct listing *l, struct process *p)
{
    struct control_process r = {
        .pid = p->pid,
        .ppid = process_parent_pid(p),
        .state = (uint8_t) process_state_letter(p),
        .threads = (uint32_t) atomic_peek(&p->thread_count),
        .start_ns = p->start_ns,
    };
    struct cputime c = process_cputime(p);
    r.cpu_ns = c.user_ns + c.system_ns;
    if (!l->stacks)
        fill_memory(&r, p);
    uint8_t text[ARGUMENTS_MAX];
    if (l->full) {
        AUTO(cred_put) const struct cred *cred = process_cred_get(p);
        r.uid = cred->euid;
        memcpy(r.name, p->comm, sizeof r.name);
        if (!l->stacks)
            r.text_size = (uint32_t) arguments(p, (struct span){text, sizeof text});
    }
    add(l, &r, text);
}

/* ---- stacks ---- */

static const char *call_name(uint64_t nr)
{
    return nr < SYSCALL_MAX && syscall_table[nr].name ? syscall_table[nr].name : NULL;
}

static size_t stack_text(const struct thread_stack *s, char *buf, size_t size)
{
    if (!s->asleep)
        return fmt_str(buf, size, "runs, or waits for a vCPU\n");
    const char *call = call_name(s->syscall);
    size_t n = fmt_str(buf, size, call ? "asleep in %s\n" : "asleep\n", call);
    for (size_t i = 0; i < s->depth && n + 128 < size; i++) {
        size_t offset = 0;
        const char *name = symbol_find(s->address[i] - 1, &offset);
        n += fmt_str(buf + n, size - n, "%s+0x%lx\n", name ? name : "?", offset + 1);
    }
    return n;
}

static void add_thread(struct listing *l, struct process *p, struct thread *t)
{
    struct thread_stack s;
    thread_stack_get(t, &s);
    char text[STACK_TEXT_MAX];
    struct control_process r = {
        .tid = t->tid,
        .pid = p->pid,
        .state = s.asleep ? 'S' : 'R',
        .text_size = (uint32_t) stack_text(&s, text, sizeof text),
    };
    struct cputime c = thread_cputime(t);
    r.cpu_ns = c.user_ns + c.system_ns;
    memcpy(r.name, t->comm, sizeof r.name);
    add(l, &r, text);
}

static void add_threads(struct listing *l, struct process *p)
{
    struct thread *t;
    for (unsigned n = 0; (t = process_thread_get(p, n)) != NULL; n++) {
        add_thread(l, p, t);
        thread_put(t);
    }
}

/* ---- lists ---- */

static void list_all(struct listing *l)
{
    struct control_status s = status_now();
    control_answer(l->id, CONTROL_DATA, 0, CSPAN_OF(s));
    struct process *p;
    for (int pid = 1; (p = process_next_get(pid)) != NULL; pid++) {
        pid = p->pid;
        add_process(l, p);
        if (l->stacks)
            add_threads(l, p);
        process_put(p);
    }
    send(l);
    control_answer(l->id, CONTROL_DONE, 0, (struct cspan){0});
}

static uint32_t listers;

static void list_main(void *arg)
{
    struct listing *l = arg;
    list_all(l);
    kfree(l->buffer);
    kfree(l);
    (void) atomic_sub(&listers, 1u);
}

static struct listing *listing_new(uint32_t id, bool stacks)
{
    struct listing *l = new_zero(struct listing);
    uint8_t *buffer = kzalloc(ANSWER_SIZE);
    if (!l || !buffer) {
        kfree(l);
        kfree(buffer);
        return NULL;
    }
    *l = (struct listing){
        .id = id, .full = inspect() == CONTROL_INSPECT_FULL, .stacks = stacks, .buffer = buffer};
    return l;
}

void control_list(uint32_t id, bool stacks)
{
    if (inspect() < (stacks ? CONTROL_INSPECT_FULL : CONTROL_INSPECT_NUMBERS)) {
        control_refuse(id, EPERM, "control.inspect in Occlum.json does not allow it");
        return;
    }
    if (!stacks && atomic_load(&listers) >= LISTERS_MAX) {
        control_refuse(id, EBUSY, "earlier listings hang; --stacks needs nothing that can");
        return;
    }
    struct listing *l = listing_new(id, stacks);
    if (!l) {
        control_refuse(id, ENOMEM, "out of memory");
        return;
    }
    (void) atomic_add(&listers, 1u);
    if (stacks || process_spawn_helper(list_main, l) < 0)
        list_main(l);
}
