# needs: curl netcat-openbsd redis-server redis-tools nginx-light openssl python3 iperf3
# Servers and clients on loopback, both inside. with.py runs a server, waits for its port, runs the
# clients one after the other and ends the server; @ stands for a free port.
version=$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
programs curl "/usr/bin/python$version" nc.openbsd redis-server redis-cli redis-benchmark openssl nginx iperf3 cat sha256sum wc head
cp "$root/usr/bin/python$version" "$root/usr/bin/python3"
tree "/usr/lib/python$version"
rm -rf "$root/usr/lib/python$version"/{test,config-*,idlelib,ensurepip}
[ ! -d /usr/lib/ssl ] || { mkdir -p "$root/usr/lib/ssl"; cp -L /usr/lib/ssl/openssl.cnf "$root/usr/lib/ssl/"; }
for lib in libnss_files.so.2 libnss_dns.so.2; do
    [ ! -e "/lib/x86_64-linux-gnu/$lib" ] || "$top/scripts/copy-elf" "$root" "/lib/x86_64-linux-gnu/$lib"
done
mkdir -p "$root"/var/{log/nginx,lib/nginx} "$root/run" "$root/usr/share/nginx" "$root/data/www/sub"
printf '127.0.0.1 localhost\n::1 localhost ip6-localhost\n127.0.0.1 inside.test\n' >"$root/etc/hosts"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
echo 'nameserver 127.0.0.1' >"$root/etc/resolv.conf"
echo "www-data:x:33:33:www-data:/var/www:/bin/false" >>"$root/etc/passwd"; echo "www-data:x:33:" >>"$root/etc/group"
echo 'nogroup:x:65534:' >>"$root/etc/group"
echo 'nobody:x:65534:65534:nobody:/nonexistent:/bin/false' >>"$root/etc/passwd"
seq 1 200000 >"$root/data/www/big"
echo 'a page' >"$root/data/www/index.html"
echo 'below' >"$root/data/www/sub/page.html"
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$root/data/key.pem" -out "$root/data/cert.pem" -days 3650 \
    -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>/dev/null
file with.py <<'END'
import signal, socket, subprocess, sys, time
def parts(args):
    out = [[]]
    for a in args:
        if a == '--':
            out.append([])
        else:
            out[-1].append(a)
    return out
with socket.socket() as s:
    s.bind(('127.0.0.1', 0))
    port = s.getsockname()[1]
server, *clients = parts([a.replace('@', str(port)) for a in sys.argv[1:]])
p = subprocess.Popen(server, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open('server.log', 'w'))
for i in range(600):
    try:
        socket.create_connection(('127.0.0.1', port), 1).close()
        break
    except OSError:
        if p.poll() is not None:
            sys.exit('the server ended: %s\n%s' % (p.returncode, open('server.log').read()))
        time.sleep(0.05)
for c in clients:
    r = subprocess.run(c, stdin=subprocess.DEVNULL)
    print('[client: %d]' % r.returncode, flush=True)
p.send_signal(signal.SIGTERM)
print('[server: %d]' % p.wait(30))
END
file nginx.conf <<'END'
daemon off;
master_process off;
pid /tmp/nginx.pid;
error_log stderr warn;
events { worker_connections 64; }
http {
    access_log off;
    sendfile on;
    client_body_temp_path /tmp/b; proxy_temp_path /tmp/p; fastcgi_temp_path /tmp/f;
    uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s;
    server { listen 127.0.0.1:NGINX_PORT; root /data/www; location /deny { return 403; } }
}
END
file nginx.py <<'END'
import os, sys
text = open('/data/nginx.conf').read().replace('NGINX_PORT', sys.argv[1])
open('/tmp/nginx.conf', 'w').write(text)
os.execv('/usr/sbin/nginx', ['nginx', '-c', '/tmp/nginx.conf', '-e', 'stderr'])
END
file sockets.py <<'END'
import asyncio, selectors, socket, socketserver, ssl, threading, urllib.request, http.server, urllib.error
print(socket.getaddrinfo('localhost', 80, socket.AF_INET, socket.SOCK_STREAM))
print(socket.gethostbyname('inside.test'), socket.getfqdn('127.0.0.1'))
print(sorted(a[4][0] for a in socket.getaddrinfo('localhost', 1, type=socket.SOCK_DGRAM, flags=socket.AI_ADDRCONFIG)
             if a[0] == socket.AF_INET))
try:
    socket.getaddrinfo('absent.invalid', 80)
except socket.gaierror as e:
    print(e.errno in (socket.EAI_NONAME, socket.EAI_AGAIN))
print('lo' in [n for i, n in socket.if_nameindex()])
class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line.upper())
with socketserver.ThreadingTCPServer(('127.0.0.1', 0), Echo) as srv:
    threading.Thread(target=srv.serve_forever, daemon=True).start()
    def talk(n):
        with socket.create_connection(srv.server_address) as s, s.makefile('rwb') as f:
            for i in range(20):
                f.write(b'line %d of %d\n' % (i, n))
                f.flush()
                assert f.readline() == b'LINE %d OF %d\n' % (i, n)
    ts = [threading.Thread(target=talk, args=(n,)) for n in range(10)]
    [t.start() for t in ts]
    [t.join() for t in ts]
    srv.shutdown()
print('threads done')
async def aio():
    async def serve(r, w):
        while data := await r.read(65536):
            w.write(data)
            await w.drain()
        w.close()
    server = await asyncio.start_server(serve, '127.0.0.1', 0)
    port = server.sockets[0].getsockname()[1]
    async def one(n):
        r, w = await asyncio.open_connection('127.0.0.1', port)
        text = bytes([n]) * 300000
        w.write(text)
        w.write_eof()
        got = await r.read()
        w.close()
        return got == text
    print(all(await asyncio.gather(*(one(n) for n in range(20)))))
    try:
        await asyncio.wait_for(asyncio.open_connection('127.0.0.1', 1), 10)
    except ConnectionRefusedError as e:
        print(type(e).__name__)
    server.close()
asyncio.run(aio())
handler = http.server.SimpleHTTPRequestHandler
handler.log_message = lambda *a: None
import functools
with http.server.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(handler, directory='/data/www')) as srv:
    threading.Thread(target=srv.serve_forever, daemon=True).start()
    base = 'http://127.0.0.1:%d/' % srv.server_address[1]
    print(urllib.request.urlopen(base).read(), len(urllib.request.urlopen(base + 'big').read()))
    try:
        urllib.request.urlopen(base + 'absent')
    except urllib.error.HTTPError as e:
        print(e.code)
    srv.shutdown()
ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
ctx.load_cert_chain('/data/cert.pem', '/data/key.pem')
with socket.create_server(('127.0.0.1', 0)) as l:
    def tls_server():
        c, a = l.accept()
        with ctx.wrap_socket(c, server_side=True) as s:
            s.sendall(s.recv(100)[::-1])
    t = threading.Thread(target=tls_server)
    t.start()
    client = ssl.create_default_context(cafile='/data/cert.pem')
    with client.wrap_socket(socket.create_connection(l.getsockname()), server_hostname='localhost') as s:
        s.sendall(b'secret')
        print(s.recv(100), s.version())
    t.join()
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind(('127.0.0.1', 0))
u.sendto(b'self', u.getsockname())
u.settimeout(5)
print(u.recvfrom(10)[0])
u.settimeout(0.01)
try:
    u.recv(1)
except TimeoutError as e:
    print(e)
END
run <<'END'
python3 sockets.py
python3 with.py python3 -m http.server -b 127.0.0.1 -d /data/www @ -- curl -s http://127.0.0.1:@/ -- curl -s http://localhost:@/sub/page.html -- curl -sI -o /dev/null -w '%{http_code} %{size_download}\n' http://127.0.0.1:@/absent -- curl -s -o big http://inside.test:@/big -- sha256sum big
curl -s http://127.0.0.1:1/
curl -s http://absent.invalid/
python3 with.py python3 nginx.py @ -- curl -s http://127.0.0.1:@/ -- curl -s -o big2 http://127.0.0.1:@/big -- sha256sum big2 -- curl -s -o /dev/null -w '%{http_code}\n' http://127.0.0.1:@/deny -- curl -s -r 0-9 http://127.0.0.1:@/big -- curl -s http://127.0.0.1:@/ http://127.0.0.1:@/sub/page.html -w '%{num_connects}\n'
python3 with.py redis-server --port @ --bind 127.0.0.1 --save '' --appendonly no --daemonize no -- redis-cli -p @ set key value -- redis-cli -p @ get key -- redis-cli -p @ incrby n 41 -- redis-cli -p @ lpush list a b c -- redis-cli -p @ lrange list 0 -1 -- redis-cli -p @ eval 'return redis.call("get", "key")' 0 -- redis-cli -p @ ping
status: python3 with.py redis-server --port @ --bind 127.0.0.1 --save '' -- redis-benchmark -p @ -n 20000 -c 20 -q -t set,get,lpush,mset -- redis-benchmark -p @ -n 20000 -P 16 -q -t get
python3 with.py openssl s_server -accept 127.0.0.1:@ -cert cert.pem -key key.pem -WWW -quiet -- curl -s --cacert cert.pem https://localhost:@/www/index.html -- curl -s --cacert cert.pem -o big3 https://localhost:@/www/big -- sha256sum big3 -- curl -s https://localhost:@/
python3 with.py python3 -m http.server -b 127.0.0.1 @ -- nc.openbsd -z -v 127.0.0.1 @ -- nc.openbsd -z 127.0.0.1 1
status: python3 with.py iperf3 -s -p @ -B 127.0.0.1 -- iperf3 -c 127.0.0.1 -p @ -n 50M -- iperf3 -c 127.0.0.1 -p @ -R -n 50M -- iperf3 -c 127.0.0.1 -p @ -u -b 50M -n 5M
END
