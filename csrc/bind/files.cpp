#include "bind/bind.hpp"

namespace dnabert::bind {

void bind_files(py::module_&) {}

}  // namespace dnabert::bind
