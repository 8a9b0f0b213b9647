# needs: python3 dash coreutils
# Processes of python: fork, multiprocessing, pools.
version=$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
programs "/usr/bin/python$version" cat sleep false echo sort
"$top/scripts/copy-elf" "$root" /bin/dash=/bin/sh
cp "$root/usr/bin/python$version" "$root/usr/bin/python3"
tree "/usr/lib/python$version"
rm -rf "$root/usr/lib/python$version"/{test,config-*,idlelib,ensurepip}
file fork.py <<'END'
import os, signal, sys
sys.stdout.flush()
kids = []
data = list(range(100000))
for i in range(10):
    pid = os.fork()
    if pid == 0:
        data[i] = -1
        os._exit(i if sum(data[:20]) == 190 - i - 1 else 99)
    kids.append(pid)
print([os.waitstatus_to_exitcode(os.waitpid(p, 0)[1]) for p in kids], sum(data[:20]))
r, w = os.pipe()
if os.fork() == 0:
    os.write(w, b'x' * 200000); os._exit(0)
os.close(w); n = 0
while b := os.read(r, 65536): n += len(b)
os.wait(); print(n)
pid = os.fork()
if pid == 0:
    signal.pause()
os.kill(pid, signal.SIGTERM); print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print(os.system('exit 3') >> 8, os.popen('echo popen').read().strip())
END
file mp.py <<'END'
import multiprocessing as mp, sys, os
from concurrent.futures import ProcessPoolExecutor
def square(x): return x * x
def put(q, n): [q.put((n, i)) for i in range(50)]
def add(v, lock):
    for _ in range(200):
        with lock: v.value += 1
if __name__ == '__main__':
    for method in sys.argv[1:]:
        ctx = mp.get_context(method)
        with ctx.Pool(4) as p: print(method, sum(p.map(square, range(200))))
        q = ctx.Queue(); ps = [ctx.Process(target=put, args=(q, n)) for n in range(3)]
        [p.start() for p in ps]; got = sorted(q.get() for _ in range(150)); [p.join() for p in ps]
        print(len(got), got[0], got[-1], [p.exitcode for p in ps])
        v, lock = ctx.Value('i', 0), ctx.Lock(); ps = [ctx.Process(target=add, args=(v, lock)) for _ in range(4)]
        [p.start() for p in ps]; [p.join() for p in ps]; print(v.value)
        a, b = ctx.Pipe()
        p = ctx.Process(target=b.send, args=([1, 'two'],)); p.start(); print(a.recv()); p.join()
        with ProcessPoolExecutor(3, mp_context=ctx) as ex: print(list(ex.map(square, range(10))))
END
file sub.py <<'END'
import subprocess
print(subprocess.run(['sort', '-r'], input=b'a\nb\n', capture_output=True).stdout)
print(subprocess.run('echo $((1 + 2)); exit 5', shell=True, capture_output=True))
p = subprocess.Popen(['cat'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=lambda: None, start_new_session=True)
print(p.communicate(b'x' * 100000)[0].count(b'x'), p.returncode)
try: subprocess.run(['sleep', '5'], timeout=0.1)
except subprocess.TimeoutExpired as e: print('timeout', e.cmd)
print([subprocess.run(['false'], preexec_fn=lambda: None).returncode for _ in range(10)])
END
run <<'END'
python3 fork.py
python3 mp.py fork
python3 mp.py spawn
python3 mp.py forkserver
python3 sub.py
END
