/* Control of a running instance from outside: the socket that `occlum exec`, stop, ps ... talk to. */
#ifndef HOST_CONTROL_H
#define HOST_CONTROL_H

/* Takes the instance's lock, listens, and starts the thread that serves clients. ready_fd gets one byte as
 * soon as the kernel takes requests. Says what is wrong; 0 or -errno. */
int control_start(const char *instance, int ready_fd);
/* A request of the runtime itself: everything ends after so many seconds. */
void control_stop(int seconds);
/* The session's program reads a terminal that is gated (host/streams.h): its client is told. */
void control_input_wanted(unsigned session);
/* Before the process ends: the last answers go out, the socket goes away. */
void control_finish(void);
#endif
