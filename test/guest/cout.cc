/* C++: iostreams before and after main, exceptions across frames, RTTI, threads, containers. */
#include <algorithm>
#include <iostream>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

struct early {
    early()
    {
        std::cout << "static constructor\n";
    }
    ~early()
    {
        std::cout << "static destructor\n";
    }
} early_object;

struct base {
    virtual ~base() = default;
    virtual std::string name() const
    {
        return "base";
    }
};
struct derived : base {
    std::string name() const override
    {
        return "derived";
    }
};
struct guard {
    ~guard()
    {
        std::cout << "unwound\n";
    }
};

static int deep(int n)
{
    guard g;
    if (n == 0)
        throw std::runtime_error("from the deep");
    return deep(n - 1) + 1;
}

int main()
{
    std::cout << "Hello C++" << std::endl;
    try {
        deep(2);
    } catch (const std::exception &e) {
        std::cout << "caught " << e.what() << std::endl;
    }
    try {
        (void) std::vector<int>(3).at(7);
    } catch (const std::out_of_range &) {
        std::cout << "out of range" << std::endl;
    }
    std::unique_ptr<base> p = std::make_unique<derived>();
    std::cout << p->name() << " " << (dynamic_cast<derived *>(p.get()) != nullptr) << std::endl;
    std::map<std::string, int> words{{"b", 2}, {"a", 1}};
    for (const auto &w : words)
        std::cout << w.first << "=" << w.second << std::endl;
    std::vector<int> sums(4);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++)
        threads.emplace_back([i, &sums] {
            try {
                throw i * 10;
            } catch (int n) {
                sums[i] = n;
            }
        });
    for (auto &t : threads)
        t.join();
    for (int n : sums)
        std::cout << n << " ";
    std::cout << 3.25 << " " << std::hex << 255 << std::endl;
    return 0;
}
