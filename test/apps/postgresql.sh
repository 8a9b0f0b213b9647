# needs: postgresql-15 util-linux bash coreutils dash grep sed
# A database: a cluster is made, served by forked processes with each kind of shared memory, loaded by
# several clients, killed and recovered. It refuses to run as root, so it runs as another user.
pg=/usr/lib/postgresql/15
programs bash setpriv cat mkdir chown rm ls sort grep sed seq head kill sleep true tr "$pg"/bin/{initdb,postgres,pg_ctl,psql,pgbench,pg_dump,pg_isready,pg_controldata}
"$top/scripts/copy-elf" "$root" /bin/dash=/bin/sh
tree "$pg/lib" /usr/share/postgresql/15
rm -rf "$root$pg/lib"/{llvmjit*,bitcode}
mkdir -p "$root/usr/share/zoneinfo" "$root/run/postgresql"
cp -L /usr/share/zoneinfo/UTC "$root/usr/share/zoneinfo/"
chmod 755 "$root" "$root/data"
echo 'postgres:x:117:117:PostgreSQL:/tmp:/bin/sh' >>"$root/etc/passwd"; echo 'postgres:x:117:' >>"$root/etc/group"
file as <<'END'
mkdir -p /tmp/pg; chown postgres:postgres /tmp/pg
exec setpriv --reuid=postgres --regid=postgres --clear-groups env -i LC_ALL=C TZ=UTC PATH=/usr/lib/postgresql/15/bin:/bin:/usr/bin:/sbin:/usr/sbin \
    HOME=/tmp PGHOST=/tmp/pg PGDATA=/tmp/pg/data bash "$@"
END
programs env
file init.sh <<'END'
initdb -A trust -E UTF8 --no-locale -N 2>&1 | sed 's/ \.\.\. .*//' | grep -c .
pg_controldata | grep -E 'cluster state|block size'
cat >>$PGDATA/postgresql.conf <<C
listen_addresses = ''
unix_socket_directories = '/tmp/pg'
fsync = off
shared_buffers = 16MB
min_parallel_table_scan_size = 0
parallel_setup_cost = 0
parallel_tuple_cost = 0
C
END
file server.sh <<'END'
dynamic=$1 main=$2; shift 2
pg_ctl -w -t 50 -l /tmp/pg/log -o "-c dynamic_shared_memory_type=$dynamic -c shared_memory_type=$main" start >/dev/null; echo start $?
pg_isready -q; echo ready $?
psql() { command psql -X -At -v ON_ERROR_STOP=1 "${@:--dpostgres}" 2>&1 | sed 's/ with PID [0-9]*//'; return "${PIPESTATUS[0]}"; }
. "./$1"
pg_ctl -w -t 50 -m "${2:-fast}" stop >/dev/null; echo stop $?
grep -E 'PANIC|was terminated' /tmp/pg/log | sed 's/^.*UTC \[[0-9]*\] //; s/PID [0-9]*/PID/' | sort -u; rm -f /tmp/pg/log
END
file first.sh <<'END'
psql <<'S'
create table t (id serial primary key, name text unique, n numeric, at timestamp default '2024-01-01');
insert into t (name, n) select 'row ' || i, i * 1.5 from generate_series(1, 5000) i;
select count(*), sum(n), min(name), max(name) from t;
create index on t (n); analyze t;
select name from t where n between 30 and 36 order by n;
begin; delete from t where id > 10; select count(*) from t; rollback; select count(*) from t;
with recursive f(a, b) as (values (0, 1) union all select b, a + b from f where b < 1000) select max(a) from f;
create function twice(x int) returns int language plpgsql as $$ begin return 2 * x; exception when others then return null; end $$;
select twice(21), twice(2000000000);
select json_agg(x) from (select id, name from t order by id limit 3) x;
show dynamic_shared_memory_type; show shared_memory_type;
S
psql -d postgres -c 'insert into t (name) values (null), ($$row 1$$)'; echo $?
psql -d postgres -c 'copy (select id, name from t where id < 4) to stdout'
seq 3 | command psql -X -At postgres -c 'create temp table c (n int)' -c '\copy c from stdin' -c 'select sum(n) from c'
END
file parallel.sh <<'END'
psql <<'S'
set max_parallel_workers_per_gather = 2; set force_parallel_mode = on;
explain (costs off) select count(*) from t;
select count(*), sum(n) from t;
select count(*) from t a join t b using (id) where a.n = b.n;
listen x; notify x, 'payload';
select pg_backend_pid() > 0;
S
END
file load.sh <<'END'
pgbench -i -q -s 1 postgres >/dev/null 2>&1; echo init $?
pgbench -n -c 4 -j 2 -t 50 postgres 2>/dev/null | grep -E 'actually processed|failed'
pgbench -n -S -C -c 2 -t 20 postgres 2>/dev/null | grep -E 'actually processed|failed'
psql <<'S'
select sum(abalance) = (select sum(delta) from pgbench_history), (select sum(bbalance) from pgbench_branches) = (select sum(delta) from pgbench_history) from pgbench_accounts;
select count(*) from pgbench_history;
vacuum full pgbench_accounts; select count(*) from pgbench_accounts;
S
(for i in 1 2 3; do command psql -X -At postgres -c "update t set n = n + 1 where id = 1" & done; wait)
psql -d postgres -c 'select n from t where id = 1'
pg_dump -t t --data-only postgres | grep -c '^[0-9]'
command psql -X -At postgres -c 'select pg_sleep(100)' >/tmp/pg/cancelled 2>&1 & sleeper=$!
while [ "$(psql -d postgres -c "select count(*) from pg_stat_activity where wait_event = 'PgSleep'")" != 1 ]; do sleep 0.05; done
psql -d postgres -c "select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'PgSleep'"
wait $sleeper; echo cancelled $?; cat /tmp/pg/cancelled
END
file crash.sh <<'END'
psql -d postgres -c "insert into t (name) values ('kept')" -c 'checkpoint' -c "insert into t (name) values ('replayed')"
victim=$(psql -d postgres -c "select pid from pg_stat_activity where backend_type = 'walwriter'")
kill -9 $victim; while kill -0 $victim 2>/dev/null; do sleep 0.05; done
until psql -d postgres -c "select name from t where name in ('kept', 'replayed') order by 1" >/tmp/pg/got; do sleep 0.1; done; cat /tmp/pg/got
END
file single.sh <<'END'
printf 'select count(*) from t;\ncreate table s as select 1 as one;\nselect * from s;\n' | postgres --single postgres 2>/dev/null | grep -E 'count|one' | tr -d '\t'
END
run <<'END'
bash as init.sh
bash as server.sh posix mmap first.sh
bash as server.sh mmap mmap parallel.sh smart
bash as server.sh sysv sysv parallel.sh
bash as server.sh posix sysv load.sh
bash as server.sh posix mmap crash.sh immediate
bash as single.sh
bash as server.sh posix mmap parallel.sh
bash -c 'exec /usr/lib/postgresql/15/bin/postgres -D /tmp/pg/data 2>/dev/null'
END
