/* Binary search in the symbol table of the second link; in the first link it is empty. */
#include "libos/base/symbols.h"

struct symbol {
    uint64_t addr;
    uint32_t name; /* offset into symbol_names */
    uint32_t reserved;
};

extern const struct symbol symbol_table[];
extern const char symbol_names[];
extern const uint64_t symbol_count;

const char *symbol_find(uintptr_t addr, size_t *ret_offset)
{
    size_t lo = 0, hi = symbol_count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (symbol_table[mid].addr <= addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == 0)
        return NULL;
    *ret_offset = addr - symbol_table[lo - 1].addr;
    return symbol_names + symbol_table[lo - 1].name;
}
