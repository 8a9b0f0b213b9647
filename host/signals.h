/* Signals that the runtime gets: handed to the program, except that stopping is done here, too. */
#ifndef HOST_SIGNALS_H
#define HOST_SIGNALS_H

#include <stdbool.h>

/* In the main thread, before all others are made: they inherit what is blocked. */
void signals_block(void);
/* The main thread's work from then on. control: a running instance, where no program is the signals'. */
__attribute__((noreturn)) void signals_forward(bool control);
/* This process stops by SIGTSTP, SIGTTIN or SIGTTOU, soon, as the shell's job that it is; false: nobody could
 * continue it, so it will not. */
bool signals_stop(int sig);
#endif
