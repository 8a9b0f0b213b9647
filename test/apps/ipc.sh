# needs: python3 perl util-linux dash
version=$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
programs "/usr/bin/python$version" perl ipcs ipcmk ipcrm lslocks
"$top/scripts/copy-elf" "$root" /bin/dash=/bin/sh
cp "$root/usr/bin/python$version" "$root/usr/bin/python3"
tree "/usr/lib/python$version"
rm -rf "$root/usr/lib/python$version"/{test,config-*,idlelib,ensurepip}
for d in $(perl -e 'print join " ", grep { -d && m{^/usr/(lib|share)} } @INC'); do tree "$d"; done
file tools.py <<'END'
# ipcmk, ipcs and ipcrm; identifiers and times differ from run to run, so they are left out
import re, subprocess
def run(*args):
    r = subprocess.run(args, capture_output=True, text=True)
    return r.returncode, r.stdout, r.stderr
def make(*args):
    code, out, err = run('ipcmk', *args)
    return re.search(r'(\d+)', out).group(1)
shm, sem, msg = make('-M', '12345', '-p', '0640'), make('-S', '3'), make('-Q', '-p', '0604')
def line(kind, ident):
    code, out, err = run('ipcs', kind)
    return code, [l.split()[2:] for l in out.splitlines() if len(l.split()) > 2 and l.split()[1] == ident]
print(line('-m', shm), line('-s', sem), line('-q', msg))
for kind, ident in ('-m', shm), ('-s', sem), ('-q', msg):
    code, out, err = run('ipcs', kind, '-i', ident)
    print(code, [re.sub('[lc]pid=[0-9]+', '', l) for l in out.splitlines()
                 if re.search(r'^(mode|bytes|nsems|cbytes|uid|semnum)', l)])
code, out, err = run('ipcs', '-l')
print(code, [l for l in out.splitlines() if 'max' in l and 'segments' not in l and 'memory' not in l and 'seg' not in l])
for args in ('-m', shm), ('-s', sem), ('-q', msg), ('-m', shm):
    code, out, err = run('ipcrm', *args)
    print(args[0], code, err.replace(args[1], 'ID'))
print(line('-m', shm), line('-s', sem), line('-q', msg))
END
file sysv.py <<'END'
import ctypes, os, struct
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
libc.shmat.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]
libc.shmdt.argtypes = [ctypes.c_void_p]
shm = libc.shmget(0, 65536, 0o600)
p = libc.shmat(shm, None, 0)
ctypes.memmove(p, b'shared bytes', 12)
print(ctypes.string_at(p, 12), libc.shmctl(shm, 0, None), libc.shmdt(p), libc.shmdt(p), ctypes.get_errno())
q = libc.msgget(0, 0o600)
for t, text in (2, b'two'), (1, b'one'), (3, b'three'):
    libc.msgsnd(q, struct.pack('l', t) + text, len(text), 0)
buf = ctypes.create_string_buffer(64)
for want in -3, 0, 0, 0:
    n = libc.msgrcv(q, buf, 56, ctypes.c_long(want), 0o4000)
    print(n, buf.raw[8:8 + max(n, 0)], ctypes.get_errno() if n < 0 else 0)
libc.msgctl(q, 0, None)
s = libc.semget(0, 2, 0o600)
print(libc.semctl(s, 0, 16, 5), libc.semop(s, struct.pack('Hhh', 0, -3, 0), 1), libc.semctl(s, 0, 12),
      libc.semop(s, struct.pack('Hhh', 0, -3, 0o4000), 1), ctypes.get_errno(), libc.semctl(s, 0, 0))
END
file shared.py <<'END'
from multiprocessing import get_context, shared_memory, resource_tracker
def add(name, lock, queue, k):
    block = shared_memory.SharedMemory(name=name)
    with lock:
        block.buf[k] = k + 1
        block.buf[99] += 1
    queue.put((k, bytes(block.buf[:3])[0]))
    block.close()
if __name__ == '__main__':
    c = get_context('spawn')
    block = shared_memory.SharedMemory(create=True, size=4096)
    block.buf[0] = 1
    lock, queue = c.Lock(), c.Queue()
    ps = [c.Process(target=add, args=(block.name, lock, queue, k)) for k in (1, 2, 3)]
    [p.start() for p in ps]
    print(sorted(queue.get() for p in ps))
    [p.join() for p in ps]
    print([p.exitcode for p in ps], bytes(block.buf[:5]), block.buf[99])
    l = shared_memory.ShareableList([1, 'two', 3.5, None])
    print(list(shared_memory.ShareableList(name=l.shm.name)))
    l.shm.close(); l.shm.unlink(); block.close(); block.unlink()
END
file sysv.pl <<'END'
use strict; use warnings;
use IPC::SysV qw(IPC_PRIVATE IPC_RMID IPC_CREAT IPC_STAT S_IRUSR S_IWUSR ftok); use IPC::Msg; use IPC::Semaphore; use IPC::SharedMem;
my $m = IPC::Msg->new(IPC_PRIVATE, S_IRUSR | S_IWUSR) or die $!;
$m->snd(7, "seven"); $m->snd(5, "five");
my $buf; print $m->rcv($buf, 100, 5), " $buf ", $m->stat->qnum, "\n";
$m->rcv($buf, 100, 0); print "$buf\n"; $m->remove;
my $s = IPC::Semaphore->new(IPC_PRIVATE, 4, S_IRUSR | S_IWUSR | IPC_CREAT) or die $!;
$s->setall(1, 2, 3, 4); $s->op(1, -2, 0, 3, 5, 0); print join(",", $s->getall), " ", $s->getncnt(0), " ", $s->stat->nsems, "\n"; $s->remove;
my $id = shmget(IPC_PRIVATE, 2000, S_IRUSR | S_IWUSR); defined $id or die $!;
shmwrite($id, "written by perl", 10, 15); my $x; shmread($id, $x, 10, 15); print "$x\n";
my $sm = IPC::SharedMem->new(IPC_PRIVATE, 100, S_IRUSR | S_IWUSR) or die $!;
$sm->attach; $sm->write("object", 3, 6); print $sm->read(3, 6), " ", $sm->stat->nattch, "\n";
my $y; shmread($sm->id, $y, 3, 6); print "$y ", $sm->stat->nattch, "\n"; $sm->detach; $sm->remove;
shmctl($id, IPC_RMID, 0); print defined(shmread($id, $x, 0, 1)) ? "there" : "gone", "\n";
END
file semaphores.py <<'END'
import multiprocessing as mp, mmap, os, fcntl, tempfile
c = mp.get_context('spawn')
s = c.Semaphore(2)
print(s.acquire(), s.acquire(), s.acquire(False), s.release())
m = mmap.mmap(-1, 8192); m[:5] = b'hello'; print(m[:5])
f = tempfile.TemporaryFile(); fcntl.lockf(f, fcntl.LOCK_EX); fcntl.flock(f, fcntl.LOCK_SH)
print(sum('ADVISORY' in l and ' %d ' % os.getpid() in l for l in open('/proc/locks')))
END
run <<'END'
python3 tools.py
python3 sysv.py
python3 shared.py
python3 semaphores.py
perl sysv.pl
status: lslocks
ipcrm -m 999999999
ipcs -m -i 999999999
END
