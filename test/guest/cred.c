/* User and group ids, groups and capabilities: who may change what, and what follows from a change. */
#include "guest_test.h"
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>

struct cap_header { /* musl-gcc has no linux/capability.h */
    uint32_t version;
    int pid;
};
struct cap_data {
    uint32_t effective, permitted, inheritable;
};
#define CAPABILITY_VERSION_1 0x19980330
#define CAPABILITY_VERSION_2 0x20071026
#define CAPABILITY_VERSION_3 0x20080522
enum {
    CAP_CHOWN = 0,
    CAP_DAC_OVERRIDE = 1,
    CAP_DAC_READ_SEARCH = 2,
    CAP_FOWNER = 3,
    CAP_FSETID = 4,
    CAP_KILL = 5,
    CAP_SETUID = 7,
    CAP_MKNOD = 27,
};
#define CAP_BIT(c) (1ull << (c))
static const uid_t same = (uid_t) -1;

static void uids(uid_t r, uid_t e, uid_t s)
{
    uid_t got[3];
    OK(syscall(SYS_getresuid, &got[0], &got[1], &got[2]));
    CHECK_EQ(got[0], r);
    CHECK_EQ(got[1], e);
    CHECK_EQ(got[2], s);
    CHECK_EQ(syscall(SYS_getuid), r);
    CHECK_EQ(syscall(SYS_geteuid), e);
}

static void gids(gid_t r, gid_t e, gid_t s)
{
    gid_t got[3];
    OK(syscall(SYS_getresgid, &got[0], &got[1], &got[2]));
    CHECK_EQ(got[0], r);
    CHECK_EQ(got[1], e);
    CHECK_EQ(got[2], s);
    CHECK_EQ(syscall(SYS_getgid), r);
    CHECK_EQ(syscall(SYS_getegid), e);
}

static uint64_t caps(int which) /* 0 effective, 1 permitted, 2 inheritable */
{
    struct cap_header h = {CAPABILITY_VERSION_3, 0};
    struct cap_data d[2];
    OK(syscall(SYS_capget, &h, d));
    const uint32_t low[] = {d[0].effective, d[0].permitted, d[0].inheritable};
    const uint32_t high[] = {d[1].effective, d[1].permitted, d[1].inheritable};
    return low[which] | (uint64_t) high[which] << 32;
}

static int caps_set(uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
    struct cap_header h = {CAPABILITY_VERSION_3, 0};
    struct cap_data d[2] = {{(uint32_t) effective, (uint32_t) permitted, (uint32_t) inheritable},
                            {(uint32_t) (effective >> 32), (uint32_t) (permitted >> 32),
                             (uint32_t) (inheritable >> 32)}};
    return (int) syscall(SYS_capset, &h, d);
}

/* ---- uids ------------------------------------------------------------------------------------- */
static void root_sets_all(void)
{
    OK(syscall(SYS_setresuid, 10, 20, 30));
    uids(10, 20, 30);
    /* no privilege any more: only among the three */
    OK(syscall(SYS_setresuid, 30, 10, 20));
    uids(30, 10, 20);
    OK(syscall(SYS_setresuid, same, same, same));
    uids(30, 10, 20);
    CHECK_ERR(syscall(SYS_setresuid, 40, same, same), EPERM);
    CHECK_ERR(syscall(SYS_setresuid, same, 40, same), EPERM);
    CHECK_ERR(syscall(SYS_setresuid, same, same, 40), EPERM);
    CHECK_ERR(syscall(SYS_setresuid, 10, 20, 40), EPERM);
    uids(30, 10, 20);
}
TEST_CASE(setresuid_of_root)
{
    in_process(root_sets_all);
}

static void setuid_of_root(void)
{
    OK(syscall(SYS_setuid, 77)); /* all three: no way back */
    uids(77, 77, 77);
    CHECK_ERR(syscall(SYS_setuid, 0), EPERM);
    OK(syscall(SYS_setuid, 77));
    CHECK_ERR(syscall(SYS_setuid, same), EINVAL);
}
static void setuid_of_others(void)
{
    OK(syscall(SYS_setresuid, 10, 20, 30));
    CHECK_ERR(syscall(SYS_setuid, 20), EPERM); /* the effective one is not among them */
    OK(syscall(SYS_setuid, 30));
    uids(10, 30, 30);
    OK(syscall(SYS_setuid, 10));
    uids(10, 10, 30);
    CHECK_ERR(syscall(SYS_setuid, 11), EPERM);
}
TEST_CASE(setuid_rules)
{
    in_process(setuid_of_root);
    in_process(setuid_of_others);
}

static void reuid_swap(void)
{
    OK(syscall(SYS_setresuid, 10, 0, 0));
    OK(syscall(SYS_setreuid, 0, 10)); /* swap; the saved one becomes the new effective one */
    uids(0, 10, 10);
    OK(syscall(SYS_setreuid, 10, 0));
    uids(10, 0, 0);
}
static void reuid_saved(void)
{
    OK(syscall(SYS_setreuid, same, 5));
    uids(0, 5, 5);
    OK(syscall(SYS_setreuid, same, 0)); /* to the real one: the saved one stays */
    uids(0, 0, 5);
    OK(syscall(SYS_setreuid, 6, same));
    uids(6, 0, 0);
}
static void reuid_unprivileged(void)
{
    OK(syscall(SYS_setresuid, 10, 20, 30));
    CHECK_ERR(syscall(SYS_setreuid, 30, same), EPERM); /* real: not from the saved one */
    OK(syscall(SYS_setreuid, same, 30));               /* effective: from any */
    uids(10, 30, 30);
    CHECK_ERR(syscall(SYS_setreuid, same, 20), EPERM);
    OK(syscall(SYS_setreuid, 30, same));
    uids(30, 30, 30);
}
TEST_CASE(setreuid_rules)
{
    in_process(reuid_swap);
    in_process(reuid_saved);
    in_process(reuid_unprivileged);
}

/* ---- gids ------------------------------------------------------------------------------------- */
static void gid_rules(void)
{
    OK(syscall(SYS_setresgid, 1, 2, 3));
    gids(1, 2, 3);
    OK(syscall(SYS_setgid, 7)); /* still privileged: CAP_SETGID goes with the user, not the group */
    gids(7, 7, 7);
    OK(syscall(SYS_setregid, 1, 2));
    gids(1, 2, 2);
    OK(syscall(SYS_setresgid, 1, 2, 3));
    OK(syscall(SYS_setresuid, 9, 9, 9));
    CHECK_ERR(syscall(SYS_setgid, 4), EPERM);
    CHECK_ERR(syscall(SYS_setgid, same), EINVAL);
    CHECK_ERR(syscall(SYS_setresgid, 4, same, same), EPERM);
    CHECK_ERR(syscall(SYS_setregid, 3, same), EPERM);
    OK(syscall(SYS_setregid, 2, 1));
    gids(2, 1, 1);
    OK(syscall(SYS_setgid, 2));
    gids(2, 2, 1);
}
TEST_CASE(group_ids)
{
    in_process(gid_rules);
}

TEST_CASE(get_ids_bad_pointers)
{
    uid_t u;
    CHECK_ERR(syscall(SYS_getresuid, 8L, &u, &u), EFAULT);
    CHECK_ERR(syscall(SYS_getresuid, &u, &u, 8L), EFAULT);
    CHECK_ERR(syscall(SYS_getresgid, &u, 8L, &u), EFAULT);
}

/* ---- groups ----------------------------------------------------------------------------------- */
static void group_list(void)
{
    gid_t list[4] = {5, 9, 7, 5}, got[8];
    OK(syscall(SYS_setgroups, 4, list));
    CHECK_EQ(syscall(SYS_getgroups, 0, NULL), 4);
    CHECK_EQ(syscall(SYS_getgroups, 8, got), 4);
    int sum = 0;
    for (int i = 0; i < 4; i++)
        sum += (int) got[i];
    CHECK_EQ(sum, 26);
    CHECK_ERR(syscall(SYS_getgroups, 3, got), EINVAL);
    CHECK_ERR(syscall(SYS_getgroups, -1, got), EINVAL);
    CHECK_ERR(syscall(SYS_getgroups, 4, 8L), EFAULT);
    CHECK_ERR(syscall(SYS_setgroups, 65537, list), EINVAL);
    CHECK_ERR(syscall(SYS_setgroups, -1, list), EINVAL);
    CHECK_ERR(syscall(SYS_setgroups, 2, 8L), EFAULT);
    OK(syscall(SYS_setgroups, 0, NULL));
    CHECK_EQ(syscall(SYS_getgroups, 8, got), 0);
    OK(syscall(SYS_setresuid, 9, 9, 9));
    CHECK_ERR(syscall(SYS_setgroups, 1, list), EPERM);
}
TEST_CASE(groups)
{
    in_process(group_list);
}

static void many_groups(void)
{
    static gid_t list[1000], got[1000];
    for (gid_t i = 0; i < ARRAY_LEN(list); i++)
        list[i] = 3 * i + 1;
    OK(syscall(SYS_setgroups, ARRAY_LEN(list), list));
    CHECK_EQ(syscall(SYS_getgroups, ARRAY_LEN(got), got), ARRAY_LEN(got));
    CHECK_EQ(memcmp(list, got, sizeof got), 0);
}
TEST_CASE(a_thousand_groups)
{
    in_process(many_groups);
}

/* ---- file system ids -------------------------------------------------------------------------- */
static void fs_ids(void)
{
    CHECK_EQ(syscall(SYS_setfsuid, 11), 0); /* the old one is returned, always */
    CHECK_EQ(syscall(SYS_setfsuid, same), 11);
    CHECK_EQ(syscall(SYS_setfsgid, 12), 0);
    CHECK_EQ(syscall(SYS_setfsgid, same), 12);
    int fd = (int) OK(open(test_path("made"), O_CREAT | O_RDWR, 0600));
    close(fd);
}
static void fs_ids_unprivileged(void)
{
    OK(syscall(SYS_setresuid, 10, 20, 30));
    CHECK_EQ(syscall(SYS_setfsuid, same), 20);
    syscall(SYS_setfsuid, 40);
    CHECK_EQ(syscall(SYS_setfsuid, same), 20);
    syscall(SYS_setfsuid, 30);
    CHECK_EQ(syscall(SYS_setfsuid, same), 30);
    OK(syscall(SYS_setresuid, same, 10, same)); /* follows the effective id */
    CHECK_EQ(syscall(SYS_setfsuid, same), 10);
}
TEST_CASE(setfsuid_decides_about_files)
{
    OK(chmod(test_dir, 0777));
    in_process(fs_ids);
    struct stat st;
    OK(stat(test_path("made"), &st));
    CHECK_EQ(st.st_uid, 11);
    CHECK_EQ(st.st_gid, 12);
    in_process(fs_ids_unprivileged);
    OK(chmod(test_dir, 0755));
}

static void fs_capabilities_follow(void)
{
    uint64_t fs = CAP_BIT(CAP_CHOWN) | CAP_BIT(CAP_DAC_OVERRIDE) | CAP_BIT(CAP_DAC_READ_SEARCH) |
                  CAP_BIT(CAP_FOWNER) | CAP_BIT(CAP_FSETID);
    CHECK_EQ(caps(0) & fs, fs);
    syscall(SYS_setfsuid, 11);
    CHECK_EQ(caps(0) & fs, 0);
    CHECK(caps(0) & CAP_BIT(CAP_SETUID));
    syscall(SYS_setfsuid, 0);
    CHECK_EQ(caps(0) & fs, fs);
}
TEST_CASE(setfsuid_and_capabilities)
{
    in_process(fs_capabilities_follow);
}

/* ---- capabilities ----------------------------------------------------------------------------- */
static void caps_after_uids(void)
{
    uint64_t all = caps(1);
    CHECK(all != 0);
    CHECK_EQ(caps(0), all);
    OK(syscall(SYS_setresuid, same, 5, same)); /* effective leaves root: effective set empty */
    CHECK_EQ(caps(0), 0);
    CHECK_EQ(caps(1), all);
    OK(syscall(SYS_setresuid, same, 0, same));
    CHECK_EQ(caps(0), all);
    OK(syscall(SYS_setresuid, 5, 5, 5));
    CHECK_EQ(caps(0), 0);
    CHECK_EQ(caps(1), 0);
}
static void caps_kept(void)
{
    uint64_t all = caps(1);
    CHECK_EQ(prctl(PR_GET_KEEPCAPS), 0);
    OK(prctl(PR_SET_KEEPCAPS, 1));
    CHECK_EQ(prctl(PR_GET_KEEPCAPS), 1);
    OK(syscall(SYS_setresuid, 5, 5, 5));
    CHECK_EQ(caps(0), 0);
    CHECK_EQ(caps(1), all);
    OK(caps_set(CAP_BIT(CAP_SETUID), all, 0));
    OK(syscall(SYS_setresuid, 6, 7, 8));
    uids(6, 7, 8);
    CHECK_ERR(prctl(PR_SET_KEEPCAPS, 2), EINVAL);
}
TEST_CASE(capabilities_follow_the_uids)
{
    in_process(caps_after_uids);
    in_process(caps_kept);
}

static void capset_rules(void)
{
    uint64_t few = CAP_BIT(CAP_KILL) | CAP_BIT(CAP_SETUID);
    CHECK_ERR(caps_set(few, CAP_BIT(CAP_KILL), 0), EPERM); /* effective beyond permitted */
    OK(caps_set(CAP_BIT(CAP_KILL), few, 0));
    CHECK_EQ(caps(0), CAP_BIT(CAP_KILL));
    CHECK_EQ(caps(1), few);
    CHECK_ERR(syscall(SYS_setresuid, 5, 5, 5), EPERM); /* uid 0, but not CAP_SETUID */
    OK(caps_set(few, few, few));
    CHECK_EQ(caps(2), few);
    OK(syscall(SYS_setresuid, 0, 0, 0));
    OK(caps_set(0, 0, few)); /* inheritable stays what it was */
    CHECK_ERR(caps_set(0, CAP_BIT(CAP_KILL), 0), EPERM);
    OK(caps_set(0, 0, 0));
    CHECK_ERR(caps_set(0, 0, few), EPERM); /* not permitted, no CAP_SETPCAP */
}
TEST_CASE(capset_only_less)
{
    in_process(capset_rules);
}

TEST_CASE(capget_arguments)
{
    struct cap_header h = {0x12345678, 0};
    struct cap_data d[2];
    CHECK_ERR(syscall(SYS_capget, &h, d), EINVAL);
    CHECK_EQ(h.version, CAPABILITY_VERSION_3); /* tells what it knows */
    h.version = 0;
    OK(syscall(SYS_capget, &h, NULL)); /* the way to ask for the version */
    CHECK_EQ(h.version, CAPABILITY_VERSION_3);
    OK(syscall(SYS_capget, &h, d));
    h.pid = getpid();
    OK(syscall(SYS_capget, &h, d));
    h.pid = getppid() ? getppid() : getpid();
    OK(syscall(SYS_capget, &h, d));
    h.pid = -1;
    CHECK_ERR(syscall(SYS_capget, &h, d), EINVAL);
    h.pid = 4000000;
    CHECK_ERR(syscall(SYS_capget, &h, d), ESRCH);
    h.pid = 0;
    CHECK_ERR(syscall(SYS_capget, 8L, d), EFAULT);
    CHECK_ERR(syscall(SYS_capget, &h, 8L), EFAULT);
    h.version = CAPABILITY_VERSION_1;
    OK(syscall(SYS_capget, &h, d));
    h.version = CAPABILITY_VERSION_2;
    OK(syscall(SYS_capget, &h, d));
}

TEST_CASE(capset_arguments)
{
    struct cap_header h = {0x12345678, 0};
    struct cap_data d[2] = {{0, 0, 0}};
    CHECK_ERR(syscall(SYS_capset, &h, d), EINVAL);
    CHECK_EQ(h.version, CAPABILITY_VERSION_3);
    h.pid = getpid() + 1;
    CHECK_ERR(syscall(SYS_capset, &h, d), EPERM); /* of others: never */
    h.pid = 0;
    CHECK_ERR(syscall(SYS_capset, 8L, d), EFAULT);
    CHECK_ERR(syscall(SYS_capset, &h, 8L), EFAULT);
}

static void bounding_set(void)
{
    CHECK_EQ(prctl(PR_CAPBSET_READ, CAP_CHOWN), 1);
    CHECK_ERR(prctl(PR_CAPBSET_READ, 63), EINVAL);
    CHECK_ERR(prctl(PR_CAPBSET_DROP, 63), EINVAL);
    OK(prctl(PR_CAPBSET_DROP, CAP_MKNOD));
    CHECK_EQ(prctl(PR_CAPBSET_READ, CAP_MKNOD), 0);
    CHECK(caps(1) & CAP_BIT(CAP_MKNOD)); /* only exec looks at it */
    OK(caps_set(0, 0, 0));
    CHECK_ERR(prctl(PR_CAPBSET_DROP, CAP_CHOWN), EPERM);
}
TEST_CASE(capability_bounding_set)
{
    in_process(bounding_set);
}

static void ambient_set(void)
{
    uint64_t all = caps(1);
    CHECK_EQ(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN, 0, 0), 0);
    CHECK_ERR(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0), EPERM);
    CHECK_ERR(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 63, 0, 0), EINVAL);
    CHECK_ERR(prctl(PR_CAP_AMBIENT, 99, CAP_CHOWN, 0, 0), EINVAL);
    CHECK_ERR(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 1, 0, 0), EINVAL);
    OK(caps_set(all, all, CAP_BIT(CAP_CHOWN))); /* permitted and inheritable: may be raised */
    OK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0));
    CHECK_EQ(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN, 0, 0), 1);
    OK(caps_set(all, all, 0)); /* no longer inheritable: gone */
    CHECK_EQ(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN, 0, 0), 0);
    OK(caps_set(all, all, CAP_BIT(CAP_CHOWN)));
    OK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0));
    OK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, CAP_CHOWN, 0, 0));
    CHECK_EQ(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN, 0, 0), 0);
    OK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0));
    OK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
    CHECK_EQ(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN, 0, 0), 0);
}
TEST_CASE(ambient_capabilities)
{
    in_process(ambient_set);
}

/* exec: root gets everything back, another user has what is ambient */
static uint64_t after_exec(const char *uid, const char *how)
{
    static char text[64];
    const char *out = test_path("caps");
    CHECK_EQ(child_wait(child_start("exec_caps", uid, how, out, NULL)), 0);
    read_file(out, text, sizeof text);
    return strtoull(text, NULL, 16);
}

CHILD(exec_caps)
{
    if (argc == 1) { /* after exec */
        char text[32];
        snprintf(text, sizeof text, "%llx", (unsigned long long) caps(0));
        write_file(argv[0], text, strlen(text));
        return 0;
    }
    uid_t uid = (uid_t) atoi(argv[0]);
    OK(prctl(PR_SET_KEEPCAPS, 1));
    OK(syscall(SYS_setresuid, uid, uid, uid));
    uint64_t all = caps(1);
    if (strcmp(argv[1], "ambient") == 0) {
        OK(caps_set(all, all, CAP_BIT(CAP_KILL)));
        OK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0));
    } else if (strcmp(argv[1], "none") == 0) {
        OK(caps_set(0, 0, 0));
    } else {
        OK(caps_set(all, all, 0));
    }
    char *args[] = {(char *) test_program, (char *) "--child", (char *) "exec_caps", argv[2], NULL};
    execv(test_program, args);
    return 98;
}

TEST_CASE(capabilities_and_exec)
{
    OK(chmod(test_dir, 0777));
    uint64_t mine = caps(0);
    CHECK_EQ(after_exec("0", "none"), mine);
    unlink(test_path("caps"));
    CHECK_EQ(after_exec("99", "all"), 0);
    unlink(test_path("caps"));
    CHECK_EQ(after_exec("99", "ambient"), CAP_BIT(CAP_KILL));
    OK(chmod(test_dir, 0755));
}

static void no_privileges(void)
{
    CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
    CHECK_ERR(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), EINVAL);
    CHECK_ERR(prctl(PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0), EINVAL);
    OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
    CHECK_ERR(prctl(PR_GET_NO_NEW_PRIVS, 1, 0, 0, 0), EINVAL);
    CHECK_ERR(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), EINVAL);
}
TEST_CASE(no_new_privs)
{
    in_process(no_privileges);
}

static void secure_bits(void)
{
    CHECK_EQ(prctl(PR_GET_SECUREBITS), 0);
    OK(prctl(PR_SET_SECUREBITS, 4)); /* SECBIT_NO_SETUID_FIXUP */
    CHECK_EQ(prctl(PR_GET_SECUREBITS), 4);
    uint64_t all = caps(0);
    OK(syscall(SYS_setresuid, 5, 5, 5));
    CHECK_EQ(caps(0), all);           /* uids change, capabilities do not */
    OK(prctl(PR_SET_SECUREBITS, 12)); /* and locked */
    CHECK_ERR(prctl(PR_SET_SECUREBITS, 0), EPERM);
    CHECK_ERR(prctl(PR_SET_SECUREBITS, 1u << 20), EPERM);
    OK(caps_set(0, 0, 0));
    CHECK_ERR(prctl(PR_SET_SECUREBITS, 12), EPERM);
}
TEST_CASE(securebits)
{
    in_process(secure_bits);
}

static void *thread_ids(UNUSED void *arg)
{
    return (void *) syscall(SYS_geteuid);
}
CHILD(thread_identity)
{
    pthread_t t;
    void *r;
    OK(setresuid(5, 5, 5)); /* the C library's changes them all */
    ZERO(pthread_create(&t, NULL, thread_ids, NULL));
    ZERO(pthread_join(t, &r));
    return (int) (long) r;
}
CHILD(alarm_clocks)
{
    for (int clock = CLOCK_REALTIME_ALARM; clock <= CLOCK_BOOTTIME_ALARM; clock++) {
        int fd = (int) OK(timerfd_create(clock, 0));
        close(fd);
    }
    OK(setresuid(5, 5, 5));
    CHECK_ERR(timerfd_create(CLOCK_REALTIME_ALARM, 0), EPERM);
    CHECK_ERR(timerfd_create(CLOCK_BOOTTIME_ALARM, 0), EPERM);
    CHECK_ERR(timerfd_create(CLOCK_BOOTTIME_ALARM, 1), EINVAL);
    OK(timerfd_create(CLOCK_BOOTTIME, 0));
    return 0;
}
/* Only a privileged process may wake a machine that sleeps. */
TEST_CASE(wake_alarm)
{
    CHECK_EQ(child_wait(child_start("alarm_clocks", NULL)), 0);
}

TEST_CASE(threads_inherit)
{
    CHECK_EQ(child_wait(child_start("thread_identity", NULL)), 5);
}
