/* Binary search in the symbol table of the second link; in the first link it is empty. It is measured at
 * each start, so it is kept small. */
#include "libos/base/symbols.h"

struct symbol {
    uint32_t offset; /* from symbol_base */
    uint32_t name;   /* offset into symbol_names */
};

extern const struct symbol symbol_table[];
extern const char symbol_names[];
extern const uint64_t symbol_count, symbol_base;

const char *symbol_find(uintptr_t addr, size_t *ret_offset)
{
    size_t lo = 0, hi = symbol_count;
    if (addr < symbol_base)
        return NULL;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (symbol_base + symbol_table[mid].offset <= addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == 0)
        return NULL;
    *ret_offset = addr - symbol_base - symbol_table[lo - 1].offset;
    return symbol_names + symbol_table[lo - 1].name;
}
