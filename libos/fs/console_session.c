/* Making, opening and closing consoles (console.c has what they do).
 *
 * The table has one pointer per session, without a reference, under table_lock: a console leaves it before
 * its streams are given back, so a session number that the host uses again never meets an old console.
 */
#include "abi/linux/termios.h"
#include "libos/fs/console_priv.h"
#include "libos/host/host.h"
#include "libos/mm/heap.h"
#include "libos/task/process.h"
#include "libos/vfs/fdtable.h"
#include "libos/vfs/registry.h"

static struct spinlock table_lock = SPINLOCK_INIT;
static struct console *table[HOST_SESSIONS];
static struct super console_super;
static const struct inode_ops stream_inode_ops = {0};

static struct console *console_of_tty(struct tty *t)
{
    return container_of(t, struct console, tty);
}

/* ---- /dev/console and /dev/tty ---- */

static int console_tty_open(struct tty *t, struct file *f)
{
    tty_get(t);
    f->ops = &console_file_ops;
    f->mode |= FILE_STREAM;
    f->priv = &console_of_tty(t)->stream[3];
    return 0;
}

static void close_streams(unsigned session)
{
    (void) hostcall(HOSTCALL_stdio_close, session, 0, 0); /* the host's descriptors */
}

static void console_free(struct tty *t)
{
    struct console *c = console_of_tty(t);
    spin_lock(&table_lock);
    if (table[c->session] == c)
        table[c->session] = NULL;
    spin_unlock(&table_lock);
    for (int i = 0; i < 3; i++)
        if (c->inode[i])
            inode_put(c->inode[i]);
    close_streams(c->session);
    kfree(c);
}

static const struct tty_ops console_tty_ops = {.open = console_tty_open, .free = console_free};

/* /dev/console is the console that controls the caller, else the runtime's own. */
int console_file_open(struct inode *i, struct file *f)
{
    AUTO(tty_put) struct tty *mine = tty_current_get();
    if (mine && mine->ops == &console_tty_ops)
        return console_tty_open(mine, f);
    spin_lock(&table_lock);
    struct console *c = table[0];
    bool found = c && ref_get_unless_zero(&c->tty.ref);
    spin_unlock(&table_lock);
    if (!found)
        return -ENXIO;
    int r = console_tty_open(&c->tty, f);
    tty_put(&c->tty);
    return r;
}

DEVICE(console, 0600, console_device);
const struct device_type console_device = {
    .name = "console",
    .mode = 0600,
    .major = 5,
    .minor = 1,
    .ops = &console_file_ops,
};

/* ---- making ---- */

static void stream_inode_free(struct inode *i)
{
    inode_fini(i);
    kfree(i);
}

static const struct super_ops console_super_ops = {.inode_free = stream_inode_free};

/* Only the type is the host's word. */
static struct inode *stream_inode_new(unsigned stream)
{
    struct inode *i = new_zero(struct inode);
    if (!i)
        return NULL;
    struct host_stat st;
    if (hostcall_io(HOSTCALL_stdio_stat, (struct cspan){0}, SPAN_OF(st), stream, 0, 0, 0) < 0)
        st.mode = S_IFCHR | 0620;
    uint32_t type = st.mode & S_IFMT;
    if (type != S_IFCHR && type != S_IFIFO && type != S_IFREG && type != S_IFSOCK)
        type = S_IFCHR;
    inode_init(i, &console_super, type | (type == S_IFCHR ? 0620 : 0600));
    i->ops = &stream_inode_ops;
    i->ino = stream + 3;
    i->rdev = type == S_IFCHR ? linux_makedev(1, 3) : 0;
    return i;
}

static void look_for_terminal(struct console *c, int i)
{
    struct linux_termios t;
    c->terminal[i] = S_ISCHR(c->inode[i]->mode) && console_termios(c->stream[i].in, &t) >= 0;
    if (c->terminal[i])
        c->lflag = t.lflag;
    c->any |= c->terminal[i];
}

static int first_terminal(const struct console *c, int a, int b, int d)
{
    int i = c->terminal[a] ? a : c->terminal[b] ? b : c->terminal[d] ? d : a;
    return c->stream[i].in;
}

static int look_at_streams(struct console *c)
{
    for (int i = 0; i < 3; i++) {
        int stream = (int) c->session * 3 + i;
        c->stream[i] = (struct console_stream){stream, stream, c};
        c->inode[i] = stream_inode_new((unsigned) stream);
        if (!c->inode[i])
            return -ENOMEM;
        look_for_terminal(c, i);
    }
    c->stream[3] =
        (struct console_stream){first_terminal(c, 0, 1, 2), first_terminal(c, 1, 2, 0), c};
    return 0;
}

static int enter_table(struct console *c)
{
    SPIN_GUARD(&table_lock);
    if (table[c->session])
        return -EBUSY;
    table[c->session] = c;
    return 0;
}

int console_new(unsigned session, struct console **ret)
{
    check(session < HOST_SESSIONS);
    if (!console_super.ref.n)
        super_init(&console_super, &console_super_ops, "hostfd");
    struct console *c = new_zero(struct console);
    if (!c) {
        close_streams(session);
        return -ENOMEM;
    }
    c->session = session;
    int r = enter_table(c);
    if (r < 0) {
        kfree(c);
        return r;
    }
    tty_init(&c->tty, &console_tty_ops, linux_makedev(5, 1));
    r = look_at_streams(c);
    if (r < 0) {
        tty_put(&c->tty);
        return r;
    }
    *ret = c;
    return 0;
}

void console_put(struct console *c)
{
    tty_put(&c->tty);
}

/* ---- the streams of a session's first process ---- */

/* A terminal is opened by its name, so that ttyname() finds it. */
static struct file *terminal_file(struct console *c, int i)
{
    struct file *f;
    if (vfs_open("/dev/console", O_RDWR, 0, &f) < 0)
        return NULL;
    if (f->ops == &console_file_ops && f->priv == &c->stream[3]) {
        f->priv = &c->stream[i];
        return f;
    }
    file_put(f); /* somebody put something else there */
    return NULL;
}

static struct file *stream_file(struct console *c, int i)
{
    struct file *f = c->terminal[i] ? terminal_file(c, i) : NULL;
    if (f)
        return f;
    unsigned o_flags = c->terminal[i] ? O_RDWR : i == 0 ? O_RDONLY : O_WRONLY;
    inode_get(c->inode[i]);
    f = file_new_pathless(c->inode[i], &console_file_ops, &c->stream[i], o_flags, FILE_STREAM);
    if (f)
        tty_get(&c->tty);
    else
        inode_put(c->inode[i]);
    return f;
}

int console_install(struct console *c, struct fdtable *t)
{
    if (c->any)
        tty_take(&c->tty);
    for (int i = 0; i < 3; i++) {
        struct file *f = stream_file(c, i);
        if (!f)
            return -ENOMEM;
        int r = fdtable_install_at(t, f, i, false);
        if (r < 0) {
            file_put(f);
            return r;
        }
    }
    return 0;
}

int console_foreground(struct console *c)
{
    return tty_foreground(&c->tty);
}

void console_hangup(struct console *c)
{
    if (!c->any || atomic_swap(&c->hung_up, true))
        return;
    for (int i = 0; i < 3; i++)
        waitq_wake(host_stdio_queue(c->stream[i].in), ~0u);
    tty_hangup(&c->tty);
}
