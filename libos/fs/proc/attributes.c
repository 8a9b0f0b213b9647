/* Small files of /proc/PID that show or set one property of a process. */
#include "libos/fs/proc/attributes.h"
#include "libos/base/atomic.h"
#include "libos/mm/mm.h"
#include "libos/mm/uaccess.h"
#include "libos/task/auxv.h"
#include "libos/task/cputime.h"
#include "libos/task/process.h"
#include "abi/layout.h"

#define SLACK_DEFAULT_NS 50000ul

static struct process *owner_get(const struct proc_ref *ref)
{
    return process_lookup_get(ref->pid);
}

/* ---- the auxiliary vector --------------------------------------------------------------------- */
int proc_auxv_raw(const struct proc_ref *ref, struct uio *uio, uint64_t pos)
{
    AUTO(process_put) struct process *p = owner_get(ref);
    if (!p)
        return -ESRCH;
    AUTO(mm_put) struct mm *mm = process_mm_get(p);
    uint64_t start, size, pair[2];
    if (!mm || auxv_find(mm, p->stack_start.v, &start, &size) < 0)
        return 0;
    int r = 0;
    while (r == 0 && pos < size && uio->left > 0) {
        size_t skip = pos % sizeof pair, n = MIN(uio->left, sizeof pair - skip);
        r = mm_copy_from(mm, SPAN_OF(pair), UADDR(start + pos - skip));
        if (r == 0)
            r = uio_put(uio, (const uint8_t *) pair + skip, n);
        pos += n;
    }
    return r;
}

/* ---- values ----------------------------------------------------------------------------------- */
#define FIELD_TEXT(name, format, field)                                                            \
    int proc_##name##_text(const struct proc_ref *ref, struct text *t)                             \
    {                                                                                              \
        AUTO(process_put) struct process *p = owner_get(ref);                                      \
        if (!p)                                                                                    \
            return -ESRCH;                                                                         \
        text_add(t, format, p->field);                                                             \
        return 0;                                                                                  \
    }
FIELD_TEXT(personality, "%08x\n", personality)
FIELD_TEXT(oom_score_adj, "%d\n", oom_score_adj)
/* Who logged in, and how often somebody has: what PAM sets for a session. Nobody audits. */
FIELD_TEXT(loginuid, "%u", login_uid)
FIELD_TEXT(sessionid, "%u", login_session)

int proc_schedstat_text(const struct proc_ref *ref, struct text *t)
{
    struct process *p = NULL;
    AUTO(thread_put) struct thread *th = thread_lookup_get(ref->tid ? ref->tid : ref->pid, &p);
    if (!th)
        return -ESRCH;
    struct cputime used = thread_cputime(th);
    struct usage u;
    usage_of_thread(th, &u);
    text_add(t, "%ld 0 %lu\n", (long) (used.user_ns + used.system_ns),
             (unsigned long) (u.nvcsw + u.nivcsw));
    process_put(p);
    return 0;
}

/* ---- settable --------------------------------------------------------------------------------- */
static int number_of(const char *s, size_t n, long *ret)
{
    bool minus = n > 0 && *s == '-';
    long v = 0;
    size_t i = minus;
    for (; i < n && s[i] >= '0' && s[i] <= '9' && i < 12; i++)
        v = v * 10 + (s[i] - '0');
    if (i == (size_t) minus || (i < n && s[i] != '\n'))
        return -EINVAL;
    *ret = minus ? -v : v;
    return 0;
}

long proc_loginuid_write(const struct proc_ref *ref, const char *s, size_t n)
{
    static uint32_t sessions;
    struct process *p = current_process();
    long v;
    if (ref->pid != p->pid)
        return -EPERM;
    if (number_of(s, n, &v) < 0 || v < 0 || v > UINT32_MAX)
        return -EINVAL;
    if (p->login_uid != UINT32_MAX && !capable(CAP_AUDIT_CONTROL))
        return -EPERM;
    p->login_uid = (uint32_t) v;
    p->login_session = v == UINT32_MAX ? UINT32_MAX : atomic_add(&sessions, 1) + 1;
    return (long) n;
}

int proc_wchan_text(const struct proc_ref *ref, struct text *t)
{
    text_add(t, "0");
    return 0;
}

int proc_id_map_text(const struct proc_ref *ref, struct text *t)
{
    text_add(t, "%10u %10u %10u\n", 0u, 0u, UINT32_MAX);
    return 0;
}

int proc_setgroups_text(const struct proc_ref *ref, struct text *t)
{
    text_add(t, "allow\n");
    return 0;
}

int proc_oom_score_text(const struct proc_ref *ref, struct text *t)
{
    AUTO(process_put) struct process *p = owner_get(ref);
    if (!p)
        return -ESRCH;
    AUTO(mm_put) struct mm *mm = process_mm_get(p);
    struct mm_stats s = {0};
    if (mm)
        mm_stats(mm, &s);
    text_add(t, "%d\n", (int) MAX(MIN((long) s.resident / 1024 + p->oom_score_adj, 1000l), 0l));
    return 0;
}

static bool may_set(struct process *p)
{
    AUTO(cred_put) const struct cred *theirs = process_cred_get(p);
    return current_cred()->euid == theirs->euid || capable(CAP_SYS_NICE);
}

long proc_oom_score_adj_write(const struct proc_ref *ref, const char *s, size_t n)
{
    long v;
    if (number_of(s, n, &v) < 0 || v < -1000 || v > 1000)
        return -EINVAL;
    AUTO(process_put) struct process *p = owner_get(ref);
    if (!p)
        return -ESRCH;
    if (v < p->oom_score_adj && !capable(CAP_SYS_RESOURCE))
        return -EACCES;
    p->oom_score_adj = (int) v;
    return (long) n;
}

int proc_timerslack_text(const struct proc_ref *ref, struct text *t)
{
    AUTO(process_put) struct process *p = owner_get(ref);
    if (!p)
        return -ESRCH;
    unsigned long ns = p->timer_slack_ns ? p->timer_slack_ns : SLACK_DEFAULT_NS;
    text_add(t, "%lu\n", ns);
    return 0;
}

long proc_timerslack_write(const struct proc_ref *ref, const char *s, size_t n)
{
    long v;
    if (number_of(s, n, &v) < 0 || v < 0)
        return -EINVAL;
    AUTO(process_put) struct process *p = owner_get(ref);
    if (!p)
        return -ESRCH;
    if (!may_set(p))
        return -EPERM;
    p->timer_slack_ns = (uint64_t) v;
    return (long) n;
}

/* ---- relatives -------------------------------------------------------------------------------- */
struct children {
    struct text *text;
    int parent;
};

static int add_child(struct process *p, void *arg) /* the process table is locked */
{
    struct children *c = arg;
    if (p->parent && p->parent->pid == c->parent)
        text_add(c->text, "%d ", p->pid);
    return 0;
}

int proc_children_text(const struct proc_ref *ref, struct text *t)
{
    if (ref->tid != ref->pid)
        return 0; /* children belong to the process here: the first thread shows them */
    struct children c = {t, ref->pid};
    process_for_each(add_child, &c);
    return 0;
}

/* ---- namespaces: one of each ------------------------------------------------------------------ */
#define NAMESPACE(name, number)                                                                    \
    static long ns_##name(const struct proc_ref *ref, char *buf, size_t size)                      \
    {                                                                                              \
        return (long) fmt_str(buf, size, #name ":[%u]", number);                                   \
    }
NAMESPACE(cgroup, 4026531835u)
NAMESPACE(ipc, 4026531839u)
NAMESPACE(mnt, 4026531841u)
NAMESPACE(net, 4026531840u)
NAMESPACE(pid, 4026531836u)
NAMESPACE(time, 4026531834u)
NAMESPACE(user, 4026531837u)
NAMESPACE(uts, 4026531838u)
#undef NAMESPACE

const struct proc_entry proc_ns_children[] = {
    PROC_LINK("cgroup", ns_cgroup), PROC_LINK("ipc", ns_ipc), PROC_LINK("mnt", ns_mnt),
    PROC_LINK("net", ns_net),       PROC_LINK("pid", ns_pid), PROC_LINK("time", ns_time),
    PROC_LINK("user", ns_user),     PROC_LINK("uts", ns_uts), {.name = NULL},
};
