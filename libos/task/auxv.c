/* Finding the auxiliary vector. The program may write there: nothing found is believed to be near. */
#include "libos/task/auxv.h"
#include "libos/base/errno.h"
#include "libos/mm/uaccess.h"
#include "abi/layout.h"

#define STACK_WORDS_MAX (1u << 20)

/* The first stack is argc, argv, 0, envp, 0 and then the vector: where that is, and its length. */
int auxv_find(struct mm *mm, uint64_t stack, uint64_t *ret_start, uint64_t *ret_size)
{
    uint64_t word, at = stack;
    if (mm_copy_from(mm, SPAN_OF(word), UADDR(at)) < 0 || word > STACK_WORDS_MAX)
        return -EFAULT;
    at += (word + 2) * sizeof word;
    for (uint32_t i = 0; word && i < STACK_WORDS_MAX; i++, at += sizeof word)
        if (mm_copy_from(mm, SPAN_OF(word), UADDR(at)) < 0)
            return -EFAULT;
    *ret_start = at;
    for (uint64_t pair[2] = {1}; pair[0] && at - *ret_start < PAGE_SIZE; at += sizeof pair)
        if (mm_copy_from(mm, SPAN_OF(pair), UADDR(at)) < 0)
            return -EFAULT;
    *ret_size = at - *ret_start;
    return 0;
}
