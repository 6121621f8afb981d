// A loop over [0, n) on several threads. Knows nothing of what the loop does.
#pragma once

#include <algorithm>
#include <cstdint>
#include <exception>
#include <thread>
#include <vector>

namespace dnabert {

/// Calls body(begin, end) on consecutive parts of [0, n), one part a thread, none smaller than `grain` but the last.
/// The first exception of a part is thrown again after all parts have ended.
template <class Body>
void parallel_for(int64_t n, int threads, int64_t grain, Body body) {
    if (n <= 0) return;
    const int64_t parts = std::max<int64_t>(1, std::min<int64_t>(threads, n / std::max<int64_t>(grain, 1)));
    if (parts == 1) {
        body(int64_t{0}, n);
        return;
    }
    std::vector<std::exception_ptr> errors(static_cast<size_t>(parts));
    auto run = [&](int64_t part) {
        try {
            body(n * part / parts, n * (part + 1) / parts);
        } catch (...) {
            errors[static_cast<size_t>(part)] = std::current_exception();
        }
    };
    std::vector<std::jthread> workers;
    for (int64_t part = 1; part < parts; ++part) workers.emplace_back(run, part);
    run(0);
    workers.clear();  // joins
    for (const auto& error : errors) {
        if (error) std::rethrow_exception(error);
    }
}

}  // namespace dnabert
