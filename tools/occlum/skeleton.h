/* What `occlum init` puts into a new instance. */
#ifndef TOOLS_OCCLUM_SKELETON_H
#define TOOLS_OCCLUM_SKELETON_H

/* Makes image/ with directories, /etc files and the C libraries of this host, run/, Occlum.json and
 * the state file in the current directory. Refuses (and changes nothing) when one of them is
 * already there. Prints its own errors; returns 0 or -errno. */
int skeleton_make(void);
#endif
