# needs: perl lua5.4 dash
programs perl lua5.4 cat echo
"$top/scripts/copy-elf" "$root" /bin/dash=/bin/sh
for d in $(perl -e 'print join " ", grep { -d && m{^/usr/(lib|share)} } @INC'); do tree "$d"; done
file t.pl <<'END'
use strict; use warnings;
use POSIX qw(floor strftime); use List::Util qw(sum); use Digest::SHA qw(sha256_hex); use Data::Dumper;
my %h = map { $_ => $_ ** 2 } 1 .. 20;
print sum(values %h), " ", floor(3.7), " ", strftime("%F", gmtime(86400)), "\n";
print sha256_hex("perl" x 1000), "\n";
$Data::Dumper::Sortkeys = 1; print Dumper({ a => [1, 2], b => { c => undef } });
open my $f, '>', 'perl.out' or die; print $f "line $_\n" for 1 .. 100; close $f;
open $f, '<', 'perl.out' or die; my @l = <$f>; print scalar(@l), " $l[99]";
my $text = "the cat sat on the mat"; my $n = () = $text =~ /\bthe\b/g; print "$n\n";
local $SIG{ALRM} = sub { print "alarm\n" }; alarm 1; select undef, undef, undef, 3; 
eval { die { code => 7 } }; print "caught $@->{code}\n"; exit 6;
END
file t.lua <<'END'
local t = {}
for i = 1, 1000 do t[#t + 1] = (i * 7919) % 1009 end
table.sort(t)
print(#t, t[1], t[500], t[1000], _VERSION)
local co = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end)
print(co(), co(), co())
print(string.format("%5.2f %q %x", math.pi, "a\nb", 255), ("hello"):rep(3, "-"), ("x=1"):match("(%w)=(%d)"))
local f = assert(io.open("lua.out", "w")); f:write("text\n"); f:close()
for l in io.lines("lua.out") do print(l) end
print(pcall(error, { 1 }), os.time{year=2020, month=1, day=1, hour=12} > 0, os.getenv("HOME"))
os.exit(8)
END
run <<'END'
perl -e 'print "hello\n"'
perl t.pl
perl -ne 'print if /apple|begin/' t.pl
perl -MConfig -e 'print "$^O\n"; exit 3'
perl -e 'die "x\n"'
perl -e 'print sort { $a <=> $b } map { "$_\n" } reverse 1..10'
lua5.4 -e 'print(1 + 1)'
lua5.4 t.lua
lua5.4 -e 'local p = io.popen("echo from a shell; exit 3"); print(p:read("a"), p:close()); print(os.execute("exit 5"))'
lua5.4 -e 'error("x")'
END
