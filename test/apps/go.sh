# needs: golang-go
cat >"$work/hello.go" <<'END'
package main

import (
	"fmt"
	"os"
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
	defer func() { fmt.Println("recovered:", recover()); os.Exit(3) }()
	var p *int
	fmt.Println(*p)
}
END
built /bin/hello-go "cd '$work' && GOCACHE='$work/cache' CGO_ENABLED=0 go build" '-o "$out"' hello.go
run <<'END'
hello-go
END
