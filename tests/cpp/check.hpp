// As much of a test framework as core_test needs: tests that register themselves, and checks that name their line.
#pragma once

#include <cstdio>
#include <exception>
#include <vector>

namespace dnabert::test {

struct Test {
    const char* name;
    void (*run)();
};

inline std::vector<Test>& tests() {
    static std::vector<Test> all;
    return all;
}

inline int& failures() {
    static int count = 0;
    return count;
}

struct Register {
    Register(const char* name, void (*run)()) { tests().push_back({name, run}); }
};

inline void fail(const char* file, int line, const char* what) {
    std::fprintf(stderr, "%s:%d: %s\n", file, line, what);
    ++failures();
}

}  // namespace dnabert::test

/// TEST(name) { ... }: a test that core_test runs.
#define TEST(name)                                                       \
    static void name();                                                  \
    static const ::dnabert::test::Register register_##name(#name, name); \
    static void name()

/// Counts a failure, with its line, unless the condition holds.
#define CHECK(condition) \
    ((condition) ? (void)0 : ::dnabert::test::fail(__FILE__, __LINE__, "does not hold: " #condition))

/// Counts a failure unless the statement throws that type.
#define CHECK_THROWS(statement, Type)                                                          \
    do {                                                                                       \
        bool thrown = false;                                                                   \
        try {                                                                                  \
            statement;                                                                         \
        } catch (const Type&) {                                                                \
            thrown = true;                                                                     \
        }                                                                                      \
        if (!thrown) ::dnabert::test::fail(__FILE__, __LINE__, "does not throw: " #statement); \
    } while (false)
