/* The stubs of one stub area: a range of user addresses near the code it serves, cut into slots of
 * STUB_SIZE bytes. Keeps the books; patch.c writes the code. */
#ifndef EXEC_STUBAREA_H
#define EXEC_STUBAREA_H
#include "libos/exec/stub.h"
#include "libos/base/list.h"
#include "libos/base/lock.h"

#define STUBAREA_CHUNK     128u /* slots whose books are allocated together */
#define STUBAREA_CHUNKS    512u
#define STUBAREA_SLOTS_MAX (STUBAREA_CHUNK * STUBAREA_CHUNKS)
#define STUBAREA_BUCKETS   256u
#define STUB_NONE          UINT32_MAX

struct stub_slot {
    uintptr_t window; /* address of the patched code; 0: the slot is free */
    uint32_t next;    /* of the same page, or in the free list; STUB_NONE: last */
    uint8_t site;     /* window + site is the instruction */
    uint8_t len;      /* of the window */
    uint8_t point_count;
    struct stub_point points[STUB_POINTS];
};

/* A patched page: what was put there last. */
struct stub_page {
    struct stub_page *next; /* in the bucket */
    uintptr_t addr;
    uint64_t unique, index; /* of the file page */
    uint32_t first;         /* slot */
};

struct stubarea {
    uintptr_t base, end;
    struct spinlock lock; /* everything below; readers of slots take none (see stubarea.c) */
    uint32_t slot_count, used, free;
    struct stub_slot *chunks[STUBAREA_CHUNKS];
    struct stub_page *pages[STUBAREA_BUCKETS];
};

struct stubarea *stubarea_new(uintptr_t base, uintptr_t end); /* NULL: no memory */
void stubarea_clear(struct stubarea *a);                      /* all slots become free */
/* Starts the books of the page at addr anew: its slots become free. NULL: no memory. */
struct stub_page *stubarea_page_begin(struct stubarea *a, uintptr_t addr, uint64_t unique,
                                      uint64_t index);
struct stub_page *stubarea_page_peek(struct stubarea *a, uintptr_t addr); /* NULL: none */
/* A free slot for page; its address, or 0 if there is none left. */
uintptr_t stubarea_slot_take(struct stubarea *a, struct stub_page *page, uint32_t *ret_slot);
void stubarea_slot_set(struct stubarea *a, uint32_t slot, uintptr_t window, const struct site *site,
                       const struct stub *stub);
/* NULL: no slot in use there. */
const struct stub_slot *stubarea_slot_at(const struct stubarea *a, uintptr_t addr);
const struct stub_slot *stubarea_slot(const struct stubarea *a, uint32_t slot);
static inline uintptr_t stubarea_slot_addr(const struct stubarea *a, uint32_t slot)
{
    return a->base + (uintptr_t) slot * STUB_SIZE;
}
#endif
