// Lets the kernels run with glibc 2.28 and the C++ library of that time, if they are built on a newer system. `.ci/dist`
// includes it before their source. Two functions are found under other names.
#pragma once

// glibc 2.29 has a new version of it, which does not set `errno`.
__asm__(".symver exp, exp@GLIBC_2.2.5");

// GCC 11 and newer call it for an allocation of more than the address space.
namespace std {
[[noreturn, gnu::visibility("hidden")]] void __throw_bad_array_new_length() { __builtin_abort(); }
} // namespace std
