// Threads: their rows, their arithmetic, and a barrier.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <omp.h>
#include <sched.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace seqforge {

#if defined(__x86_64__)

// The register that says how this thread rounds, and what it does with denormal numbers.
inline unsigned arithmetic_mode() { return _mm_getcsr(); }
inline void set_arithmetic_mode(unsigned mode) { _mm_setcsr(mode); }
constexpr unsigned flush_to_zero = 0x8040;

// Leaves the core to its other thread for some cycles.
inline void wait_briefly() { _mm_pause(); }

#else

inline std::uint64_t arithmetic_mode() {
    std::uint64_t mode;
    asm volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
}
inline void set_arithmetic_mode(std::uint64_t mode) { asm volatile("msr fpcr, %0" ::"r"(mode)); }
constexpr std::uint64_t flush_to_zero = 1 << 24;

inline void wait_briefly() { asm volatile("yield"); }

#endif

// Replaces denormal numbers by zero during its lifetime: arithmetic with them is a hundred times slower.
class FlushToZero {
  public:
    FlushToZero() : before_(arithmetic_mode()) { set_arithmetic_mode(before_ | flush_to_zero); }
    ~FlushToZero() { set_arithmetic_mode(before_); }
    FlushToZero(const FlushToZero &) = delete;
    FlushToZero &operator=(const FlushToZero &) = delete;

  private:
    const decltype(arithmetic_mode()) before_;
};

// Calls `work(first, last)` on every thread with its range of rows.
template <class Work> void on_own_rows(std::int64_t rows, std::int64_t threads, Work work) {
    threads = std::min(threads, rows);
#pragma omp parallel num_threads(static_cast<int>(threads)) if (threads > 1)
    {
        FlushToZero flush;
        // OpenMP may start fewer threads than requested.
        std::int64_t count = omp_get_num_threads(), index = omp_get_thread_num();
        work(rows * index / count, rows * (index + 1) / count);
    }
}

// Every thread waits until all have arrived. A thread that waits long yields the processor to others.
class Barrier {
  public:
    explicit Barrier(int count) : count_(count) {}
    void wait() {
        if (count_ == 1) return;
        unsigned round = round_.load(std::memory_order_acquire);
        if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == count_) {
            arrived_.store(0, std::memory_order_relaxed);
            round_.store(round + 1, std::memory_order_release);
            return;
        }
        for (int turns = 0; round_.load(std::memory_order_acquire) == round; turns++)
            if (turns < 4000) wait_briefly();
            else sched_yield();
    }

  private:
    const int count_;
    std::atomic<int> arrived_{0};
    std::atomic<unsigned> round_{0};
};

} // namespace seqforge
