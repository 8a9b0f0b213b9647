/* Where things live in the enclave: the one map that kernel, image builder and loader share.
 *
 * ELRANGE starts at address 0 and spans 1 TiB ("base 0"), so an address below ELRANGE_END is inside
 * and every address of the host lies above. Nothing is mapped below USER_MIN. User memory is handed
 * out in granules of 256 MiB; the top 4 GiB belong to the kernel.
 */
#ifndef ABI_LAYOUT_H
#define ABI_LAYOUT_H

#ifdef __ASSEMBLER__
#define LAYOUT_UL(x) x
#else
#define LAYOUT_UL(x) x##ul
#endif

#define PAGE_SHIFT    12
#define PAGE_SIZE     LAYOUT_UL(0x1000)
#define ELRANGE_SIZE  LAYOUT_UL(0x10000000000) /* 1 TiB; measured (SECS.SIZE) */
#define ELRANGE_END   ELRANGE_SIZE
#define USER_MIN      LAYOUT_UL(0x10000) /* Linux' vm.mmap_min_addr; nothing below is ever mapped */
#define GRANULE_SHIFT 28
#define GRANULE_SIZE  (LAYOUT_UL(1) << GRANULE_SHIFT)
#define GRANULE_COUNT (ELRANGE_SIZE >> GRANULE_SHIFT)

/* User granules, the shared window (MAP_SHARED objects live at one home address), the kernel. */
#define USER_END          LAYOUT_UL(0xe000000000)
#define SHARED_BASE       LAYOUT_UL(0xe000000000)
#define SHARED_END        LAYOUT_UL(0xf000000000)
#define KERNEL_BASE       LAYOUT_UL(0xff00000000)
#define KERNEL_END        ELRANGE_END
#define KERNEL_STUB       KERNEL_BASE /* the ENCLU stub page, see abi/enter.h */
#define KERNEL_CONFIG     (KERNEL_BASE + LAYOUT_UL(0x06000000)) /* measured configuration, read-only */
#define KERNEL_CONFIG_MAX LAYOUT_UL(0x00100000)
#define KERNEL_VCPUS      (KERNEL_BASE + LAYOUT_UL(0x08000000))
#define KERNEL_HEAP       (KERNEL_BASE + LAYOUT_UL(0x10000000)) /* committed on demand */
#define KERNEL_HEAP_END   (KERNEL_BASE + LAYOUT_UL(0xe0000000))
#define KERNEL_STACKS     KERNEL_HEAP_END /* thread stacks, each above a hole of its own size */

/* One slot per vCPU from KERNEL_VCPUS on; offsets in bytes. Pages not named are absent (guards). */
#define VCPU_SLOT_SIZE    LAYOUT_UL(0x20000)
#define VCPU_MAX          16
#define VCPU_TCS          LAYOUT_UL(0x0000)
#define VCPU_SSA          LAYOUT_UL(0x1000) /* NSSA frames of one page */
#define VCPU_NSSA         3
#define VCPU_SSAFRAMESIZE 1
#define VCPU_GS           LAYOUT_UL(0x5000) /* struct vcpu: GS base in kernel and in user code */
#define VCPU_GS_PAGES     2
#define VCPU_FS           LAYOUT_UL(0x8000) /* FS base while library code runs in the kernel */
#define VCPU_TRAP_STACK   LAYOUT_UL(0xa000) /* stage 1 of exceptions (CSSA 1 and above) */
#define VCPU_TRAP_PAGES   3
#define VCPU_IDLE_STACK   LAYOUT_UL(0x10000) /* boot and idle loop */
#define VCPU_IDLE_PAGES   4
#endif
