// A barrier for threads.
#pragma once

#include <atomic>
#include <immintrin.h>
#include <sched.h>

namespace seqforge {

// Every thread waits until all have arrived. A thread that waits long yields the processor to others.
class Barrier {
  public:
    explicit Barrier(int count) : count_(count) {}
    void wait() {
        if (count_ == 1) return;
        int round = round_.load(std::memory_order_acquire);
        if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == count_) {
            arrived_.store(0, std::memory_order_relaxed);
            round_.store(round + 1, std::memory_order_release);
            return;
        }
        for (int turns = 0; round_.load(std::memory_order_acquire) == round; turns++)
            if (turns < 4000) _mm_pause();
            else sched_yield();
    }

  private:
    const int count_;
    std::atomic<int> arrived_{0}, round_{0};
};

} // namespace seqforge
