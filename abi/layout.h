/* Where things live in the enclave: the one map that kernel, image builder and loader share.
 *
 * ELRANGE starts at address 0 and spans 1 TiB ("base 0"), so an address below ELRANGE_END is inside
 * and every address of the host lies above. Nothing is mapped below USER_MIN. User memory is handed
 * out in granules of 256 MiB; the top 4 GiB belong to the kernel.
 */
#ifndef ABI_LAYOUT_H
#define ABI_LAYOUT_H

#define PAGE_SHIFT    12
#define PAGE_SIZE     0x1000ul
#define ELRANGE_SIZE  0x10000000000ul /* 1 TiB; measured (SECS.SIZE) */
#define ELRANGE_END   ELRANGE_SIZE
#define USER_MIN      0x10000ul       /* Linux' vm.mmap_min_addr; nothing below is ever mapped */
#define GRANULE_SHIFT 28
#define GRANULE_SIZE  (1ul << GRANULE_SHIFT)
#define GRANULE_COUNT (ELRANGE_SIZE >> GRANULE_SHIFT)

/* User granules, the shared window (MAP_SHARED objects live at one home address), the kernel. */
#define USER_END          0xe000000000ul
#define SHARED_BASE       0xe000000000ul
#define SHARED_END        0xf000000000ul
#define KERNEL_BASE       0xff00000000ul
#define KERNEL_END        ELRANGE_END
#define KERNEL_STUB       KERNEL_BASE             /* the ENCLU stub page, see abi/enter.h */
#define KERNEL_CONFIG     (KERNEL_BASE + 0x06000000ul) /* measured configuration, read-only */
#define KERNEL_CONFIG_MAX 0x00100000ul
#define KERNEL_VCPUS      (KERNEL_BASE + 0x08000000ul)
#define KERNEL_HEAP       (KERNEL_BASE + 0x10000000ul) /* committed on demand */
#define KERNEL_HEAP_END   KERNEL_END

/* One slot per vCPU from KERNEL_VCPUS on; offsets in bytes. Pages not named are absent (guards). */
#define VCPU_SLOT_SIZE    0x20000ul
#define VCPU_MAX          16
#define VCPU_TCS          0x0000ul
#define VCPU_SSA          0x1000ul  /* NSSA frames of one page */
#define VCPU_NSSA         3
#define VCPU_SSAFRAMESIZE 1
#define VCPU_GS           0x5000ul  /* struct vcpu: GS base in kernel and in user code */
#define VCPU_GS_PAGES     2
#define VCPU_FS           0x8000ul  /* FS base while library code runs in the kernel */
#define VCPU_TRAP_STACK   0xa000ul  /* stage 1 of exceptions (CSSA 1 and above) */
#define VCPU_TRAP_PAGES   4
#define VCPU_IDLE_STACK   0x10000ul /* boot and idle loop */
#define VCPU_IDLE_PAGES   15
#endif
