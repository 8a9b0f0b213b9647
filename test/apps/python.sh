# needs: python3 dash coreutils
version=$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
programs "/usr/bin/python$version" cat sleep false
"$top/scripts/copy-elf" "$root" /bin/dash=/bin/sh
cp "$root/usr/bin/python$version" "$root/usr/bin/python3"
tree "/usr/lib/python$version"
for d in /usr/lib/python3/dist-packages; do mkdir -p "$root$d"; done
rm -rf "$root/usr/lib/python$version"/{test,config-*,idlelib,ensurepip}
file x.json <<'END'
{"b": [1, {"c": null}], "a": "text"}
END
file imports.py <<'END'
import importlib, sys
skip = {'antigravity', 'this', 'idlelib', 'ensurepip', 'lib2to3', 'test', 'turtle', 'tkinter', 'turtledemo'}
bad = []
for name in sorted(sys.stdlib_module_names):
    if name.startswith('_') or name in skip:
        continue
    try:
        importlib.import_module(name)
    except ImportError as e:
        bad.append(name)
print('not importable:', bad)
END
file threads.py <<'END'
import threading, queue, time
from concurrent.futures import ThreadPoolExecutor
q, done = queue.Queue(), []
def work():
    while (n := q.get()) is not None:
        done.append(n * n)
ts = [threading.Thread(target=work) for _ in range(8)]
[t.start() for t in ts]
[q.put(i) for i in range(1000)]
[q.put(None) for _ in ts]
[t.join() for t in ts]
print(sum(done), len(done))
with ThreadPoolExecutor(4) as pool:
    print(sum(pool.map(lambda n: n * 2, range(100))))
e = threading.Event()
threading.Timer(0.02, e.set).start()
print(e.wait(30))
END
file sub.py <<'END'
import subprocess, sys
subprocess._USE_VFORK = True
exe = sys.executable
r = subprocess.run([exe, '-c', 'import sys; print(sys.stdin.read().upper()); sys.exit(5)'],
                   input='to a child', capture_output=True, text=True, close_fds=False)
print(r)
import os
pid = os.posix_spawn(exe, [exe, '-c', 'print("spawned", flush=True)'], os.environ)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
p = subprocess.Popen([exe, '-c', 'import time; time.sleep(100)'])
p.kill()
print(p.wait())
try:
    subprocess.run(['/absent'])
except FileNotFoundError as e:
    print(e)
END
file children.py <<'END'
import os, subprocess, sys
print(subprocess.run(['cat'], input=b'abc', capture_output=True))
print(subprocess.check_output(['cat', '/data/x.json'], close_fds=False, stderr=subprocess.STDOUT))
print(subprocess.run('exit $((40 + 2))', shell=True).returncode, os.system('exit 3') >> 8)
print(os.popen('echo read from a shell').read(), end='')
print([p.wait() for p in [subprocess.Popen(['sleep', '0.05']) for i in range(20)]])
p = subprocess.Popen(['sleep', '100'])
try:
    p.wait(0.05)
except subprocess.TimeoutExpired:
    p.terminate()
print(p.wait())
pid = os.posix_spawnp('false', ['false'], os.environ, setsigdef=[13], setpgroup=0)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
try:
    subprocess.run(['/absent'])
except FileNotFoundError as e:
    print(e)
END
file work.py <<'END'
import hashlib, json, zlib, random, re, os, tempfile, decimal, struct, time, sqlite3, signal, select, mmap
random.seed(7)
data = bytes(random.randrange(256) for _ in range(100000))
print(hashlib.sha256(data).hexdigest(), zlib.crc32(zlib.compress(data)))
print(json.dumps({'a': [1, 2.5, None], 'b': 'é'}, sort_keys=True))
print(decimal.Decimal(2).sqrt(decimal.Context(prec=40)))
with tempfile.TemporaryDirectory() as d:
    p = os.path.join(d, 'f')
    with open(p, 'wb') as f:
        f.write(data)
    print(os.stat(p).st_size, sorted(os.listdir(d)))
    with open(p, 'r+b') as f, mmap.mmap(f.fileno(), 0) as m:
        m[5:8] = b'abc'
        print(m.find(b'abc'))
    os.rename(p, p + '2')
    print(os.path.exists(p), open(p + '2', 'rb').read()[5:8])
c = sqlite3.connect(':memory:')
c.execute('create table t (x)')
c.executemany('insert into t values (?)', ((i,) for i in range(1000)))
print(c.execute('select sum(x) from t').fetchone())
signal.signal(signal.SIGALRM, lambda *a: print('alarm'))
signal.setitimer(signal.ITIMER_REAL, 0.01)
time.sleep(0.1)
r, w = os.pipe()
print(select.select([r], [], [], 0.01))
os.write(w, b'x')
print(select.select([r], [], [], 5)[0] == [r])
def deep(n): return 0 if n == 0 else 1 + deep(n - 1)
print(deep(900), 3 ** 200 % 10 ** 30, re.sub(r'(\w+) (\w+)', r'\2 \1', 'hello world'))
END
file aio.py <<'END'
import asyncio
async def child(text):
    p = await asyncio.create_subprocess_exec('cat', stdin=-1, stdout=-1)
    return await p.communicate(text)
async def main():
    print(await asyncio.gather(*(child(b'%d' % n) for n in range(5))))
asyncio.run(main())
END
run <<'END'
python3 aio.py
python3 -c 'import shelve; s = shelve.open("/tmp/sh"); s["a"] = [1]; s.close(); print(shelve.open("/tmp/sh")["a"])'
python3 -c 'import multiprocessing as m; m.set_start_method("spawn"); q = m.Queue(); q.put(5); print(q.get())'
python3 -c 'print("hello", 6 * 7)'
python3 -S -c 'import sys; print(sys.argv, sys.flags.no_site)' a b
python3 -c 'import sys; sys.exit(9)'
python3 -c 'raise ValueError("x")'
python3 imports.py
python3 threads.py
python3 children.py
python3 sub.py
python3 work.py
python3 -m json.tool x.json
python3 -c 'import ctypes; print(ctypes.CDLL(None).getpid() > 0, ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 5)())'
python3 -c 'import ctypes; ctypes.string_at(0)'
python3 -X faulthandler -c 'import os; os.abort()'
python3 -c 'x = [bytearray(1 << 20) for i in range(200)]; del x; y = bytearray(1 << 28); print(len(y), y[-1])'
python3 -c 'import os, sys; print(os.getcwd(), sys.platform, os.name, os.cpu_count() > 0)'
python3 -c 'import asyncio; asyncio.run(asyncio.wait_for(asyncio.sleep(0.01), 5)); print("async")'
python3 -c 'import multiprocessing.shared_memory as s; m = s.SharedMemory(create=True, size=100); m.buf[0] = 5; print(m.buf[0]); m.close(); m.unlink()'
END
