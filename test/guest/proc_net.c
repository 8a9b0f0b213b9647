/* /proc/net: the sockets of a program are found there by their inode, with addresses and states. */
#include "guest_test.h"
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

static unsigned long inode_of(int fd)
{
    struct stat st;
    OK(fstat(fd, &st));
    return (unsigned long) st.st_ino;
}

/* The line of a table whose field (from 0) is the inode; false: there is none. */
static bool find_line(const char *table, int field, unsigned long inode, char line[512])
{
    char path[64];
    snprintf(path, sizeof path, "/proc/net/%s", table);
    FILE *f = fopen(path, "r");
    CHECK(f != NULL);
    bool found = false;
    CHECK(fgets(line, 512, f) != NULL); /* the header */
    while (!found && fgets(line, 512, f)) {
        char copy[512], *rest = copy, *word;
        strcpy(copy, line);
        for (int i = 0; (word = strtok_r(rest, " \n", &rest)); i++)
            found |= i == field && strtoul(word, NULL, 10) == inode;
    }
    fclose(f);
    return found;
}

struct row {
    unsigned addr, port, peer, peer_port, state, uid;
};
static struct row parse(const char *line)
{
    struct row r;
    int n = sscanf(line, " %*u: %8X:%4X %8X:%4X %2X %*X:%*X %*X:%*X %*X %u", &r.addr, &r.port,
                   &r.peer, &r.peer_port, &r.state, &r.uid);
    CHECK_EQ(n, 6);
    return r;
}

static int bound(int type, struct sockaddr_in *a)
{
    int s = (int) OK(socket(AF_INET, type, 0));
    *a = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    OK(bind(s, (struct sockaddr *) a, sizeof *a));
    socklen_t size = sizeof *a;
    OK(getsockname(s, (struct sockaddr *) a, &size));
    return s;
}

TEST_CASE(tcp)
{
    struct sockaddr_in a;
    char line[512];
    int l = bound(SOCK_STREAM, &a), c = (int) OK(socket(AF_INET, SOCK_STREAM, 0));
    CHECK(!find_line("tcp", 9, inode_of(l), line)); /* bound only */
    OK(listen(l, 5));
    CHECK(find_line("tcp", 9, inode_of(l), line));
    struct row r = parse(line);
    CHECK_EQ(r.addr, a.sin_addr.s_addr);
    CHECK_EQ(r.port, ntohs(a.sin_port));
    CHECK_EQ(r.peer, 0);
    CHECK_EQ(r.state, 10);
    CHECK_EQ(r.uid, getuid());
    OK(connect(c, (struct sockaddr *) &a, sizeof a));
    int s = (int) OK(accept(l, NULL, NULL));
    CHECK(find_line("tcp", 9, inode_of(s), line));
    r = parse(line);
    CHECK_EQ(r.state, 1);
    CHECK_EQ(r.port, ntohs(a.sin_port));
    CHECK(find_line("tcp", 9, inode_of(c), line));
    CHECK_EQ(parse(line).port, r.peer_port);
    CHECK_EQ(parse(line).peer, a.sin_addr.s_addr);
    unsigned long gone = inode_of(s);
    close(s);
    CHECK(!find_line("tcp", 9, gone, line));
    close(c);
    close(l);
}

TEST_CASE(udp)
{
    struct sockaddr_in a;
    char line[512];
    int s = bound(SOCK_DGRAM, &a);
    CHECK(find_line("udp", 9, inode_of(s), line));
    CHECK_EQ(parse(line).port, ntohs(a.sin_port));
    CHECK_EQ(parse(line).state, 7);
    close(s);
}

TEST_CASE(unix_sockets)
{
    char line[512];
    int s = (int) OK(socket(AF_UNIX, SOCK_STREAM, 0)), pair[2];
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof a.sun_path, "/tmp/proc_net_sock.%d", getpid());
    OK(bind(s, (struct sockaddr *) &a, sizeof a));
    OK(listen(s, 1));
    CHECK(find_line("unix", 6, inode_of(s), line));
    CHECK(strstr(line, a.sun_path) != NULL);
    unsigned flags, type, state;
    CHECK_EQ(sscanf(line, "%*x: %*x %*x %x %x %x", &flags, &type, &state), 3);
    CHECK_EQ(flags, 0x10000);
    CHECK_EQ(type, SOCK_STREAM);
    CHECK_EQ(state, 1);
    OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
    CHECK(find_line("unix", 6, inode_of(pair[1]), line));
    CHECK_EQ(sscanf(line, "%*x: %*x %*x %x %x %x", &flags, &type, &state), 3);
    CHECK_EQ(flags, 0);
    CHECK_EQ(type, SOCK_DGRAM);
    unlink(a.sun_path);
    close(s);
    close(pair[0]);
    close(pair[1]);
}

TEST_CASE(interfaces)
{
    char text[8192] = "";
    int fd = (int) OK(open("/proc/net/dev", O_RDONLY));
    OK(read(fd, text, sizeof text - 1));
    close(fd);
    struct if_nameindex *list = if_nameindex();
    CHECK(list != NULL);
    for (struct if_nameindex *i = list; i->if_name; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s:", i->if_name);
        CHECK(strstr(text, name) != NULL);
    }
    if_freenameindex(list);
}

TEST_CASE(every_table)
{
    static const char *const names[] = {"tcp",      "tcp6",    "udp",   "udp6",  "raw",
                                        "unix",     "dev",     "arp",   "route", "if_inet6",
                                        "sockstat", "netlink", "packet"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char path[64], byte;
        snprintf(path, sizeof path, "/proc/self/net/%s", names[i]);
        int fd = (int) OK(open(path, O_RDONLY));
        OK(read(fd, &byte, 1));
        close(fd);
    }
    char link[16] = "";
    OK(readlink("/proc/net", link, sizeof link));
    CHECK_STR(link, "self/net");
}
