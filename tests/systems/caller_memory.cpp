// Calls functions of a shared library for another process, on the memory of that process.
//
// It reads calls from its input: the name of a function and eight integers, which fit in registers. An address that it has
// no memory for is one of the other process. It asks for the page, and the instruction is repeated. At the end of a call,
// it sends what the function has changed, and then the result. `fake_arm.py` is the other process.
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

namespace {

constexpr std::int64_t page_size = 4096;

struct Call {
    char name[64];
    std::int64_t arguments[8];
};

// A page that is wanted, if the size is -1; the result of a call, if it is 0; else an address, and what is written there.
struct Message {
    std::int64_t address, size;
};

struct Page {
    char *memory, before[page_size];
};

std::vector<Page> pages;
std::atomic_flag is_fetching;

void receive(void *to, std::size_t count) {
    for (std::size_t done = 0; done < count;) {
        const ssize_t more = read(STDIN_FILENO, static_cast<char *>(to) + done, count - done);
        if (more <= 0) _exit(0);
        done += more;
    }
}

void send(const void *from, std::size_t count) {
    for (std::size_t done = 0; done < count;) {
        const ssize_t more = write(STDOUT_FILENO, static_cast<const char *>(from) + done, count - done);
        if (more <= 0) _exit(1);
        done += more;
    }
}

void send(Message message) { send(&message, sizeof message); }

// Maps the page of an address. Other threads cannot read it before it is filled.
void fetch(int, siginfo_t *fault, void *) {
    char *wanted = reinterpret_cast<char *>(reinterpret_cast<std::uintptr_t>(fault->si_addr) & -page_size);
    while (is_fetching.test_and_set()) sched_yield();
    constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    if (mmap(wanted, page_size, PROT_NONE, flags | MAP_FIXED_NOREPLACE, -1, 0) == wanted) {
        void *page = mmap(nullptr, page_size, PROT_READ | PROT_WRITE, flags, -1, 0);
        send({reinterpret_cast<std::int64_t>(wanted), -1});
        receive(page, page_size);
        pages.push_back({wanted, {}});
        std::memcpy(pages.back().before, page, page_size);
        if (mremap(page, page_size, page_size, MREMAP_MAYMOVE | MREMAP_FIXED, wanted) != wanted) std::abort();
    } else if (errno != EEXIST) std::abort(); // otherwise, another thread has fetched it
    is_fetching.clear();
}

// Sends the numbers of 4 bytes that a call has changed in a page, those that are neighbours together.
void send_changes(const Page &page) {
    const auto differs = [&](std::int64_t place) { return std::memcmp(page.memory + place, page.before + place, 4) != 0; };
    for (std::int64_t first = 0; first < page_size; first += 4) {
        if (!differs(first)) continue;
        std::int64_t end = first;
        while (end < page_size && differs(end)) end += 4;
        send({reinterpret_cast<std::int64_t>(page.memory + first), end - first});
        send(page.memory + first, end - first);
        first = end;
    }
}

} // namespace

int main(int, char **arguments) {
    void *library = dlopen(arguments[1], RTLD_NOW);
    if (!library) return 2;
    pages.reserve(1 << 16); // no allocation where a function is interrupted
    struct sigaction action = {};
    action.sa_sigaction = fetch;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSEGV, &action, nullptr);
    for (Call call;;) {
        receive(&call, sizeof call);
        using Integer = std::int64_t;
        using Function = Integer (*)(Integer, Integer, Integer, Integer, Integer, Integer, Integer, Integer);
        const auto function = reinterpret_cast<Function>(dlsym(library, call.name));
        const Integer *a = call.arguments;
        const Integer result = function(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]);
        for (const Page &page : pages) {
            send_changes(page);
            munmap(page.memory, page_size);
        }
        pages.clear();
        send({result, 0});
    }
}
