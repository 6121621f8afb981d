// Genotypes of VCF records: which alleles each sample has, and whether their order is known. Knows no haplotypes.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace dnabert {

/// What a copy of a chromosome carries where it is no allele's number.
enum Carried : int16_t {
    carried_unknown = -1,  // '.'
    carried_none = -2,     // no second copy
    carried_many = -3,     // a genotype of more than two copies, which is not read further
};

/// Reads GT and PS (VCF 4.4, sections 1.6.2 and 1.4.2) of `samples` samples of each record.
///
/// `columns` as split_vcf gives them. alleles [n * samples * 2]: 0 is REF, 1 the first ALT; phased [n * samples]: 1
/// where all separators are '|' (or there is one copy); phase_set [n * samples]: PS, 0 where it is missing or no number
/// (its bytes' hash then). Samples of a record without GT are unknown. Returns the first record with too few columns, a
/// GT that is none or an allele that ALT does not have; -1 if there is none such.
int64_t read_genotypes(std::string_view text, std::span<const int64_t> columns, size_t samples,
                       std::span<int16_t> alleles, std::span<uint8_t> phased, std::span<int64_t> phase_set);

}  // namespace dnabert
