/* Sockets of the host: what enclave and host share about them. Data only.
 *
 * The host's sockets never block. When something changes at one, the host sets bits in the socket's word
 * of struct host_net and marks the word; the enclave takes marks and bits away again. Bits are hints
 * that it is worth asking again, so nothing is lost if they are merged, and little won if they are
 * forged. */
#ifndef ABI_HOSTNET_H
#define ABI_HOSTNET_H
#include <stdint.h>

#define HOST_SOCKET_SLOTS 16384u /* of tokens; shared with files */
#define HOST_SOCKET_WORDS (HOST_SOCKET_SLOTS / 64)

/* Data of streams on its way; who uses which is the enclave's affair. */
#define HOST_NET_BUFFERS     32u
#define HOST_NET_BUFFER_SIZE 65536u

/* Marks go bottom up (events, changed, summary), taking goes top down; all words are atomic. */
struct host_net {
    uint64_t summary[HOST_SOCKET_WORDS / 64]; /* bit n: a bit in changed[n] is set */
    uint64_t changed[HOST_SOCKET_WORDS];      /* bit n of word w: events[64 w + n] is not 0 */
    uint32_t events[HOST_SOCKET_SLOTS];       /* POLL* bits, by slot of the token */
    uint8_t buffer[HOST_NET_BUFFERS][HOST_NET_BUFFER_SIZE] __attribute__((aligned(4096)));
};
_Static_assert(sizeof(struct host_net) == 69632 + HOST_NET_BUFFERS * HOST_NET_BUFFER_SIZE,
               "shared");

struct host_sockaddr { /* as Linux has them: struct sockaddr_in, sockaddr_in6 */
    uint32_t size;     /* 0: none */
    uint8_t bytes[28];
};
_Static_assert(sizeof(struct host_sockaddr) == 32, "shared");

/* Before the name, the control messages and the data of socket_sendmsg and socket_recvmsg. */
struct host_msg {
    uint32_t flags;        /* recvmsg: MSG_* of the answer */
    uint32_t control_size; /* sendmsg, recvmsg: bytes behind this header */
    uint32_t data_size;    /* bytes behind those */
    uint32_t full_size;    /* recvmsg: of the datagram, before it was cut */
    struct host_sockaddr name;
};
_Static_assert(sizeof(struct host_msg) == 48, "shared");

#define HOST_CONTROL_MAX 2048u

struct host_interface { /* one address of one interface; family 0: the interface itself */
    uint32_t index, flags, mtu, family;
    uint32_t prefix, scope, hw_type, hw_size;
    char name[16];
    uint8_t hw[8], hw_broadcast[8];
    uint8_t addr[16], broadcast[16];
};
_Static_assert(sizeof(struct host_interface) == 96, "shared");
#define HOST_INTERFACES_MAX 256u

/* What each group of socket calls may fail with. */
#define HCE_NET_COMMON                                                                             \
    (HCE_BIT(1) | HCE_BIT(9) | HCE_BIT(12) | HCE_BIT(13) | HCE_BIT(22) | HCE_BIT(95) |             \
     HCE_BIT(97) | HCE_BIT(105) | HCE_BIT(107))
#define HCE_NET_NEW (HCE_NET_COMMON | HCE_BIT(23) | HCE_BIT(24) | HCE_BIT(93) | HCE_BIT(94))
/* what a connection may have met, said by the next call */
#define HCE_NET_MET                                                                                \
    (HCE_BIT(32) | HCE_BIT(71) | HCE_BIT(92) | HCE_BIT(100) | HCE_BIT(101) | HCE_BIT(102) |        \
     HCE_BIT(103) | HCE_BIT(104) | HCE_BIT(110) | HCE_BIT(111) | HCE_BIT(112) | HCE_BIT(113))
#define HCE_NET_NAME                                                                               \
    (HCE_NET_COMMON | HCE_NET_MET | HCE_BIT(11) | HCE_BIT(19) | HCE_BIT(98) | HCE_BIT(99) |        \
     HCE_BIT(106) | HCE_BIT(114) | HCE_BIT(115))
#define HCE_NET_ACCEPT (HCE_NET_COMMON | HCE_NET_MET | HCE_BIT(11) | HCE_BIT(23) | HCE_BIT(24))
#define HCE_NET_DATA   (HCE_NET_NAME | HCE_BIT(5) | HCE_BIT(89) | HCE_BIT(90))
#define HCE_NET_OPTION                                                                             \
    (HCE_NET_COMMON | HCE_NET_MET | HCE_BIT(2) | HCE_BIT(16) | HCE_BIT(17) | HCE_BIT(19) |         \
     HCE_BIT(25) | HCE_BIT(33) | HCE_BIT(98) | HCE_BIT(99) | HCE_BIT(106))
#endif
