# needs: golang-go coreutils
programs cat false
cat >"$work/hello.go" <<'END'
package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sort"
	"sync"
	"time"
)

func main() {
	var wg sync.WaitGroup
	var mu sync.Mutex
	squares := []int{}
	for i := 0; i < 50; i++ {
		wg.Add(1)
		go func(n int) {
			defer wg.Done()
			time.Sleep(time.Millisecond)
			mu.Lock()
			squares = append(squares, n*n)
			mu.Unlock()
		}(i)
	}
	wg.Wait()
	sort.Ints(squares)
	fmt.Println("Hello from Go", len(os.Args), squares[49])
	kept := map[int][]byte{}
	for i := 0; i < 50000; i++ {
		kept[i%500] = make([]byte, i%4096)
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	fmt.Println("collected", stats.NumGC > 0, len(kept))
	var out bytes.Buffer
	child := exec.Command("cat")
	child.Stdin, child.Stdout = bytes.NewReader(make([]byte, 200000)), &out
	fmt.Println("child", child.Run(), out.Len())
	fmt.Println("false", exec.Command("false").Run())
	defer func() { fmt.Println("recovered:", recover()); os.Exit(3) }()
	var p *int
	fmt.Println(*p)
}
END
built /bin/hello-go "cd '$work' && GOCACHE='$work/cache' CGO_ENABLED=0 go build" '-o "$out"' hello.go
run <<'END'
hello-go
END
