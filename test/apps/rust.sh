# needs: rustc
cat >"$work/hello.rs" <<'END'
use std::collections::BTreeMap;
use std::thread;

fn main() {
    let handles: Vec<_> = (0..8u64).map(|n| thread::spawn(move || (0..=n * 1000).sum::<u64>())).collect();
    let sums: Vec<u64> = handles.into_iter().map(|h| h.join().unwrap()).collect();
    let mut words = BTreeMap::new();
    for w in "to be or not to be".split(' ') {
        *words.entry(w).or_insert(0) += 1;
    }
    println!("Hello from Rust {:?} {:?}", sums, words);
    let r = std::panic::catch_unwind(|| { panic!("caught") });
    println!("{}", r.is_err());
    std::process::exit(4);
}
END
built /bin/hello-rust rustc -O '-o "$out"' "$work/hello.rs"
run <<'END'
hello-rust
END
