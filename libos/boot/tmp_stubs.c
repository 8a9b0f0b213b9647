#pragma clang diagnostic ignored "-Wmissing-prototypes"
#define S(x) void x(void); void x(void) { __builtin_trap(); }
S(thread_user_work) S(signal_fault) S(vfs_open_exec) S(process_exec_begin) S(process_exec_commit) S(file_put) S(file_get) S(file_inode) S(inode_immutable) S(inode_unique) S(file_pread) S(inode_size)
