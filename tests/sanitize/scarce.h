/* Put before a kernel: memory that runs out when it is told to, and that is counted. */
#include <stdlib.h>

__attribute__((visibility("default"))) long scarce_left = -1; /* allocations; -1: any number */
__attribute__((visibility("default"))) long scarce_live = 0;  /* pieces that are not freed yet */

static inline int
scarce(void)
{
    if (scarce_left == 0)
        return 1;
    scarce_left -= scarce_left > 0;
    return 0;
}

static inline void *
scarce_malloc(size_t bytes)
{
    void *memory = scarce() ? NULL : malloc(bytes);
    scarce_live += memory != NULL;
    return memory;
}

static inline void *
scarce_calloc(size_t count, size_t bytes)
{
    void *memory = scarce() ? NULL : calloc(count, bytes);
    scarce_live += memory != NULL;
    return memory;
}

static inline void *
scarce_realloc(void *old, size_t bytes)
{
    const int is_new = old == NULL;
    void *memory = scarce() ? NULL : realloc(old, bytes);
    scarce_live += is_new && memory != NULL;
    return memory;
}

static inline void
scarce_free(void *memory)
{
    scarce_live -= memory != NULL;
    free(memory);
}

#define malloc scarce_malloc
#define calloc scarce_calloc
#define realloc scarce_realloc
#define free scarce_free
