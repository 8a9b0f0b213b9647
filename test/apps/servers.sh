# needs: nginx-light wrk redis-server redis-tools python3 dash
# Servers that fork, under load: nginx with four workers that are replaced meanwhile, redis that saves its data
# from a child while it goes on serving. The scripts wait for events, never for a time to be enough.
version=$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
programs "/usr/bin/python$version" nginx wrk redis-server redis-cli redis-benchmark redis-check-rdb
"$top/scripts/copy-elf" "$root" /bin/dash=/bin/sh
cp "$root/usr/bin/python$version" "$root/usr/bin/python3"
tree "/usr/lib/python$version"
rm -rf "$root/usr/lib/python$version"/{test,config-*,idlelib,ensurepip}
mkdir -p "$root"/var/{log/nginx,lib/nginx} "$root/run" "$root/usr/share/nginx" "$root/data/www"
echo '127.0.0.1 localhost' >"$root/etc/hosts"
echo 'nobody:x:65534:65534:nobody:/nonexistent:/bin/false' >>"$root/etc/passwd"; echo 'nogroup:x:65534:' >>"$root/etc/group"
chmod 755 "$root" "$root/data" "$root/data/www"
seq 1 20000 >"$root/data/www/big"
file common.py <<'END'
import os, socket, subprocess, time
def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]
def until(what, condition):
    for _ in range(3000):
        if r := condition():
            return r
        time.sleep(0.01)
    raise SystemExit('never: ' + what)
def listening(port):
    try:
        socket.create_connection(('127.0.0.1', port), 5).close()
        return True
    except OSError:
        return False
def stat(pid):
    try:
        comm, rest = open('/proc/%s/stat' % pid).read().rsplit(')', 1)
        return rest.split()
    except (FileNotFoundError, ProcessLookupError):
        return None
def children(pid):
    all = ((int(p), stat(p)) for p in os.listdir('/proc') if p.isdigit())
    return {p for p, s in all if s and s[0] != 'Z' and int(s[1]) == pid}
END
file nginx.py <<'END'
import http.client, re, subprocess, threading, urllib.request
from common import *
port = free_port()
conf = '''daemon off; user nobody nogroup; worker_processes 4; pid /tmp/nginx.pid; error_log /tmp/nginx.err warn;
events { worker_connections 128; }
http { access_log off; sendfile on; client_body_temp_path /tmp/b; proxy_temp_path /tmp/p; fastcgi_temp_path /tmp/f;
    uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s;
    server { listen 127.0.0.1:%d; root /data/www; location /gen { return 200 "%s"; } location /pid { return 200 "$pid"; } } }'''
def configure(generation):
    open('/tmp/nginx.conf', 'w').write(conf % (port, generation))
nginx = ['nginx', '-c', '/tmp/nginx.conf', '-e', '/tmp/nginx.err']
def get(path):
    with urllib.request.urlopen('http://127.0.0.1:%d/%s' % (port, path), timeout=20) as r:
        return r.read()
configure('first')
master = subprocess.Popen(nginx)
until('nginx listens', lambda: listening(port))
workers = until('4 workers', lambda: len(c := children(master.pid)) == 4 and c)
print('serves', get('gen'))
big = open('/data/www/big', 'rb').read()
stop, fetched, wrong = threading.Event(), [], []
def fetch():
    while not stop.is_set():
        try:
            (fetched if get('big') == big else wrong).append(1)
        except (OSError, http.client.HTTPException) as e:
            wrong.append(repr(e))
fetcher = threading.Thread(target=fetch)
fetcher.start()
wrk = subprocess.Popen(['wrk', '-t2', '-c16', '-d4s', 'http://127.0.0.1:%d/big' % port], stdout=subprocess.PIPE, text=True)
until('some were fetched', lambda: len(fetched) > 3)
for generation, how in ('second', None), ('third', 'reload'):
    configure(generation)
    if how:
        print('nginx -s', how, subprocess.run(nginx + ['-s', how]).returncode)
    else:
        master.send_signal(1)
    new = until('new workers', lambda: len(c := children(master.pid)) == 4 and not c & workers and c)
    print('replaced', len(workers), 'by', len(new), get('gen'))
    workers = new
os.kill(min(workers), 9)
workers2 = until('a killed worker is replaced', lambda: len(c := children(master.pid)) == 4 and c != workers and c)
print('one is new', len(workers2 - workers))
stop.set(); fetcher.join()
out = wrk.communicate()[0]
print('wrk', wrk.returncode, 'requests' in out, 'Non-2xx' in out)
# the killed worker took its connection along
print('wrong', [w for w in wrong if not re.search('Reset|Disconnected|IncompleteRead', str(w))][:3])
seen = {int(get('pid')) for _ in range(50)}
print('answers come from workers', seen <= workers2)
print('nginx -s quit', subprocess.run(nginx + ['-s', 'quit']).returncode, master.wait(), listening(port), os.path.exists('/tmp/nginx.pid'))
END
file redis.py <<'END'
import subprocess
from common import *
port = free_port()
def server():
    p = subprocess.Popen(['redis-server', '--port', str(port), '--bind', '127.0.0.1', '--save', '', '--dir', '/tmp',
                          '--dbfilename', 'test.rdb', '--enable-debug-command', 'yes'], stdout=open('/tmp/redis.log', 'a'))
    until('redis answers', lambda: cli('ping') == 'PONG')
    return p
def cli(*args, text=None):
    return subprocess.run(['redis-cli', '-p', str(port), *args], input=text, capture_output=True, text=True).stdout.strip()
def bench(*args):
    return subprocess.Popen(['redis-benchmark', '-p', str(port), '-q', *args], stdout=subprocess.DEVNULL)
def info(key):
    return [l.split(':')[1] for l in cli('info', 'persistence').split() if l.startswith(key + ':')]
def known():
    return cli('mget', 'k1', 'k777', 'k2000', 'after'), cli('hgetall', 'hash'), cli('lrange', 'list', '0', '-1'), cli('dbsize')
p = server()
cli(text=''.join('set k%d %s\n' % (i, str(i) * 50) for i in range(1, 2001)))
cli(text='hset hash a 1 b 2\nrpush list x y z\nsadd set ' + ' '.join(map(str, range(100))) + '\n')
print(bench('-n', '20000', '-t', 'set', '-r', '5000', '-d', '200').wait())
digest, before = cli('debug', 'digest'), known()
print(len(digest), before[:3])
for round in range(3):
    load = bench('-n', '20000', '-c', '8', '-t', 'set,lpush', '-r', '5000', '-d', '100') if round else None
    if load is None:
        print(cli(text='bgsave\nset after snapshot\nset k777 changed\n').splitlines())
    else:
        until('bgsave', lambda: cli('bgsave') == 'Background saving started')
    until('saved', lambda: info('rdb_bgsave_in_progress') == ['0'])
    print('saved', info('rdb_last_bgsave_status'))
    if load:
        print('load', load.wait())
    else:
        saved = open('/tmp/test.rdb', 'rb').read()
    print('check', subprocess.run(['redis-check-rdb', '/tmp/test.rdb'], stdout=subprocess.DEVNULL).returncode)
print(cli('get', 'k777'), cli('get', 'after'))
cli('shutdown', 'nosave'); print('ended', p.wait())
open('/tmp/test.rdb', 'wb').write(saved)
p = server()
print('as at the first snapshot', cli('debug', 'digest') == digest, known() == before)
cli('config', 'set', 'appendonly', 'yes')
until('rewritten', lambda: info('aof_rewrite_in_progress') == ['0'] and info('aof_last_bgrewrite_status') == ['ok'])
print('aof', bench('-n', '5000', '-t', 'set', '-r', '100').wait(), cli('debug', 'loadaof'), cli('get', 'k2000') == '2000' * 50)
cli('shutdown', 'nosave'); print('ended', p.wait())
END
run <<'END'
python3 nginx.py
python3 redis.py
END
