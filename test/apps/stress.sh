# needs: stress-ng
# Each stressor does a number of operations and checks them (--verify); only its status counts.
programs stress-ng
stress() { # NAME OPS: a line of the list
    echo "status: stress-ng --quiet --verify --temp-path /tmp --$1 2 --$1-ops $2"
}
{
    stress sem 20000
    stress sem-sysv 2000
    stress msg 5000
    stress mq 2000
    stress shm 8
    stress shm-sysv 8
    stress futex 500
    stress mutex 100000 # fewer are done before the last thread is there, which it takes for an error
    stress eventfd 2000
    stress inotify 50
    stress epoll 200
    stress fifo 1000
    stress flock 500
    stress lockf 2000
    stress lockofd 2000
    stress locka 2000
    stress sockpair 500
    stress sockfd 500
    stress pipe 2000
    stress poll 500
} | run
