/* The kernel's objects in an ordinary process. */
#ifndef TOOLS_OFFLINE_KERNEL_H
#define TOOLS_OFFLINE_KERNEL_H

void kernel_setup(void); /* before anything else */
#endif
