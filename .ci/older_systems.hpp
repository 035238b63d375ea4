// Lets the kernels run with glibc 2.28 and the C++ library of that time, if they are built on a newer system. `.ci/dist`
// includes it before their source. Three functions are found under other names.
#pragma once

// glibc 2.29 has a new version of it, which does not set `errno`.
#if defined(__aarch64__)
__asm__(".symver exp, exp@GLIBC_2.17");
#else
__asm__(".symver exp, exp@GLIBC_2.2.5");
#endif

// GCC 11 and newer call it for an allocation of more than the address space.
namespace std {
[[noreturn, gnu::visibility("hidden")]] void __throw_bad_array_new_length() { __builtin_abort(); }
} // namespace std

// GCC 14 and newer call it if an exception leaves a function that throws none.
extern "C" [[noreturn]] void __cxa_call_terminate(void *) noexcept { __builtin_abort(); }
