// core_test: every test of tests/cpp, in one program that sanitizers can watch.
#include "check.hpp"

int main() {
    using namespace dnabert::test;
    for (const Test& test : tests()) {
        try {
            test.run();
        } catch (const std::exception& error) {
            std::fprintf(stderr, "%s: unexpected exception: %s\n", test.name, error.what());
            ++failures();
        }
    }
    std::printf("%zu tests, %d failures\n", tests().size(), failures());
    return failures() == 0 && !tests().empty() ? 0 : 1;
}
