# needs: nodejs ruby php-cli openjdk-17-jre-headless guile-3.0 tcl
# Language runtimes with just-in-time compilers, collectors and many threads.
programs node ruby php tclsh guile bash cat echo
"$top/scripts/copy-elf" "$root" /bin/dash=/bin/sh
tree /usr/lib/ruby /usr/lib/x86_64-linux-gnu/ruby /usr/share/guile /usr/lib/x86_64-linux-gnu/guile /usr/lib/php /usr/share/tcltk
tree "$(dirname "$(dirname "$(readlink -f /usr/bin/java)")")" /etc/java-17-openjdk
ln -sf "$(readlink -f /usr/bin/java)" "$root/usr/bin/java"
file t.js <<'END'
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const crypto = require('crypto'), fs = require('fs'), cp = require('child_process'), http = require('http');
if (!isMainThread) { let s = 0; for (let i = 0; i < 1e6; i++) s += i % workerData; parentPort.postMessage(s); }
else (async () => {
  console.log(crypto.createHash('sha256').update('x'.repeat(1000)).digest('hex'));
  fs.writeFileSync('js.out', 'text'); console.log(fs.readFileSync('js.out', 'utf8'), fs.statSync('js.out').size);
  const sums = await Promise.all([3, 5, 7].map(n => new Promise(r => new Worker(__filename, { workerData: n }).on('message', r))));
  console.log(sums);
  console.log(cp.execSync('echo child; exit 0').toString().trim());
  const s = http.createServer((q, r) => r.end('served ' + q.url)).listen(0, '127.0.0.1', () =>
    http.get({ host: '127.0.0.1', port: s.address().port, path: '/a' }, r => { let b = ''; r.on('data', d => b += d); r.on('end', () => { console.log(b); s.close(); }); }));
})();
END
file t.rb <<'END'
require 'digest'; require 'json'; require 'socket'
puts Digest::SHA256.hexdigest('x' * 1000), JSON.generate({ a: [1, 2, nil] })
puts (1..5).map { |i| Thread.new { (1..i * 1000).sum } }.map(&:value).inspect
r, w = IO.pipe
pid = fork { r.close; w.puts "child #{1 + 1}"; exit! 7 }
w.close; puts r.read; Process.wait pid; puts $?.exitstatus
puts `echo from a shell`
s = TCPServer.new('127.0.0.1', 0)
t = Thread.new { c = s.accept; c.puts "got #{c.gets}"; c.close }
c = TCPSocket.new('127.0.0.1', s.addr[1]); c.puts 'hello'; puts c.gets; t.join
GC.start; puts ObjectSpace.count_objects[:TOTAL] > 0
END
file t.php <<'END'
<?php
echo hash('sha256', str_repeat('x', 1000)), "\n", json_encode(['a' => [1, 2, null]]), "\n";
usort($a = range(1, 10), fn($x, $y) => $y - $x); echo array_sum(range(1, 1000)), "\n";
file_put_contents('php.out', "line\n"); echo filesize('php.out'), " ", shell_exec('echo shell');
function gen() { for ($i = 0; $i < 3; $i++) yield $i => $i * $i; } foreach (gen() as $k => $v) echo "$k=$v ";
echo preg_replace('/(\w+) (\w+)/', '$2 $1', "hello world"), "\n"; exit(5);
END
file t.tcl <<'END'
puts [lsort -integer {3 1 2}]; set f [open tcl.out w]; puts $f line; close $f
puts [file size tcl.out]; puts [exec echo child]; after 10 {set done 1}; vwait done; puts [expr {2 ** 100}]; exit 4
END
file t.scm <<'END'
(display (fold + 0 (iota 1000))) (newline) (display (string-join '("a" "b") "-")) (newline) (exit 3)
END
file T.java <<'END'
import java.util.concurrent.*; import java.util.stream.*; import java.nio.file.*; import java.security.*;
public class T { public static void main(String[] a) throws Exception {
  var pool = Executors.newFixedThreadPool(4);
  var fs = IntStream.range(0, 8).mapToObj(i -> pool.submit(() -> IntStream.range(0, 100000 * (i + 1)).filter(x -> x % 7 == i % 7).count())).collect(Collectors.toList());
  for (var f : fs) System.out.print(f.get() + " "); pool.shutdown(); System.out.println();
  Files.writeString(Path.of("java.out"), "text"); System.out.println(Files.size(Path.of("java.out")));
  byte[] d = MessageDigest.getInstance("SHA-256").digest("x".getBytes()); System.out.println(d.length + " " + d[0]);
  System.gc(); StringBuilder b = new StringBuilder(); for (int i = 0; i < 200000; i++) b.append(i); System.out.println(b.length());
  try { Object o = null; o.toString(); } catch (NullPointerException e) { System.out.println("NPE"); }
  System.exit(6); } }
END
run <<'END'
node -e 'console.log(1 + 1, process.version.length > 0)'
node t.js
node -e 'process.exit(3)'
node -e 'throw new Error("x")'
ruby -e 'puts 1 + 1; exit 3'
ruby t.rb
php -r 'echo 1 + 1, "\n"; exit(3);'
php t.php
tclsh t.tcl
guile --no-auto-compile t.scm
java -version
java -Xshare:off -Xmx256m T.java
END
