// Fields spliced into the INFO column of VCF text. Knows nothing of what the fields mean; changes no other byte.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/number.hpp"

namespace dnabert {

struct VcfFields {
    std::vector<std::string> names;   // of the Float fields
    const float* values = nullptr;    // names.size() x alleles; NaN is written '.'
    const uint32_t* flags = nullptr;  // a bit for each reason, per allele
    std::vector<std::string> reasons;
    std::string flag_field;  // empty: no flag field
    bool overwrite = false;
};

/// The records of `text` with ";NAME=v1,v2" for each field added to INFO, one value an allele (Number=A); an INFO of
/// '.' is replaced. `record[a]` is the record of allele a, ascending, every record having one or more. Fields of those
/// names that are there already are removed with `overwrite` (at every place they stand), else FormatError.
/// std::invalid_argument for arrays that do not belong together and for values that are not finite.
Bytes splice_vcf(std::string_view text, std::span<const int64_t> columns, std::span<const int32_t> record,
                 const VcfFields& fields, std::string_view path);

}  // namespace dnabert
