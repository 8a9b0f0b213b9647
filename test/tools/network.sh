#!/bin/bash
# Programs in an enclave and programs of the host on one network: servers inside serve clients outside and
# the other way round, with one host thread and with several. Loopback only.
# usage: network.sh [BUILD-DIR]
PATH=/usr/sbin:/usr/bin:/sbin:/bin
. "$(dirname "$0")/instance.sh"
limit=${TEST_TIMEOUT:-60}
version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')

make_instance() {
    mkdir "$dir/www"
    instance i
    local root=$PWD/image p
    for p in curl redis-server nginx "python$version"; do "$top/scripts/copy-elf" "$root" "$(type -P "$p")=/usr/bin/$p"; done
    mkdir -p "$root/usr/lib/python$version" "$root"/{www,tmp,etc} "$root/var/log/nginx"
    cp -a "/usr/lib/python$version/." "$root/usr/lib/python$version/"
    rm -rf "$root/usr/lib/python$version"/{test,config-*,idlelib,ensurepip}
    echo '127.0.0.1 localhost' >"$root/etc/hosts"
    printf 'root:x:0:0:root:/:/bin/sh\nwww-data:x:33:33::/:/bin/false\nnobody:x:65534:65534::/:/bin/false\n' >"$root/etc/passwd"
    printf 'root:x:0:\nwww-data:x:33:\nnogroup:x:65534:\n' >"$root/etc/group"
    seq 1 300000 >"$dir/www/big"
    echo small >"$dir/www/small"
    cp "$dir/www/"* "$root/www/"
    cat >"$root/etc/nginx.conf" <<END
daemon off; master_process off; pid /tmp/pid; error_log stderr warn;
events { worker_connections 256; }
http { access_log off; sendfile on; server { listen 127.0.0.1:$port; root /www; }
    client_body_temp_path /tmp/b; proxy_temp_path /tmp/p; fastcgi_temp_path /tmp/f;
    uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s; }
END
    occlum build >/dev/null 2>"$dir/err" || fail build
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

serve() { # COMMAND...: a server inside, ready when its port is
    "${pin[@]}" occlum run "$@" >"$dir/err" 2>&1 &
    pid=$!
    local i
    for ((i = 0; i < limit * 10; i++)); do
        if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then return 0; fi
        kill -0 "$pid" 2>/dev/null || fail "$1 ended"
        sleep 0.1
    done
    fail "$1 does not listen"
}
stop() {
    kill -TERM "$pid"
    wait "$pid" || true
    pid=
}

get() { timeout "$limit" curl -sf "http://127.0.0.1:$port/$1"; }
fetch_many() { # clients at once, each with several requests on one connection
    local i pids=()
    for i in 1 2 3 4 5 6 7 8; do
        (for _ in 1 2 3; do get big | cmp - "$dir/www/big"; get small | cmp - "$dir/www/small"; done) &
        pids+=($!)
    done
    for i in "${pids[@]}"; do wait "$i" || fail "a client of $1 got something else"; done
}

servers_inside() {
    serve "/usr/bin/python$version" -m http.server -b 127.0.0.1 -d /www "$port"
    fetch_many http.server
    stop
    serve /usr/bin/nginx -c /etc/nginx.conf -e stderr
    fetch_many nginx
    stop
    serve /usr/bin/redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly no
    timeout "$limit" redis-benchmark -p "$port" -n 10000 -c 20 -q -t set,get,lpush >"$dir/bench" 2>&1 || fail redis-benchmark
    [ "$(timeout "$limit" redis-cli -p "$port" --raw incrby counter 5)" = 5 ] || fail redis-cli
    stop
}

clients_inside() {
    python3 -m http.server -b 127.0.0.1 -d "$dir/www" "$port" >"$dir/err" 2>&1 &
    pid=$!
    local i
    for ((i = 0; i < 100; i++)); do get small >/dev/null 2>&1 && break; sleep 0.1; done
    timeout "$limit" occlum run /usr/bin/curl -sf "http://127.0.0.1:$port/big" |
        cmp - "$dir/www/big" || fail "curl inside got something else"
    stop
}

port=$(free_port)
make_instance
for cores in 'taskset -c 0' env; do
    read -r -a pin <<<"$cores"
    servers_inside
    clients_inside
    echo "pass network ($cores)"
done
