# needs: sqlite3
programs sqlite3 cat
file script.sql <<'END'
create table t (id integer primary key, name text, value real);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)
    insert into t select i, 'name' || (i * 7919 % 1000), i * 0.5 from n;
create index by_name on t (name);
select count(*), sum(value), min(name), max(name) from t;
select name, count(*) c from t group by name order by c desc, name limit 5;
begin; delete from t where id % 3 = 0; rollback;
select count(*) from t;
update t set value = -value where name = 'name7';
select sum(value) from t where name = 'name7';
explain query plan select * from t where name = 'x';
pragma integrity_check;
select json_extract('{"a":[1,2,3]}', '$.a[1]'), hex(zeroblob(2)), upper('x'), 7 / 2, 7 / 2.0;
END
run <<'END'
sqlite3 :memory: <script.sql
sqlite3 file.db <script.sql
sqlite3 file.db 'select count(*) from t; pragma journal_mode=wal; insert into t values (99999, "w", 1); select max(id) from t'
sqlite3 file.db 'pragma integrity_check; vacuum; select count(*) from t'
sqlite3 :memory: 'select * from absent'
sqlite3 -csv file.db 'select * from t where id < 4'
END
