/* The boot thread: everything that needs a thread to sleep in. */
#include "libos/base/log.h"
#include "libos/boot/boot.h"
#include "libos/boot/config.h"
#include "libos/host/host.h"

void boot_thread(void *arg)
{
    log_emit(LOG_ERROR, "hello from the enclave");
    host_shutdown(0);
}
