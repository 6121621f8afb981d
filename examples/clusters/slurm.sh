#!/usr/bin/env bash
#SBATCH --job-name=dnabert-fast
#SBATCH --array=1-40
#SBATCH --cpus-per-task=4
#SBATCH --mem=8G
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --output=%x.%A_%a.log
# Scores a VCF in shards, a task of the array each:
#
#   export VCF=calls.vcf.gz GENOME=genome.fa MODEL=DIR OUTPUT=scored.vcf.gz
#   id=$(sbatch --parsable --array=1-40 examples/clusters/slurm.sh)
#   sbatch --dependency=afterok:"$id" --array=1 --cpus-per-task=1 examples/clusters/slurm.sh merge
#
# The work folder ($OUTPUT.work, or WORK) must be one that all nodes see. A task that is stopped or killed keeps its whole
# shards: submit the same array again, and only what is missing is computed. docs/clusters.md says what to choose.
set -euo pipefail
: "${VCF:?the VCF}" "${GENOME:?its genome}" "${MODEL:?a model folder}" "${OUTPUT:=scored.vcf.gz}"
work=${WORK:-$OUTPUT.work}

if [[ ${1:-} == merge ]]; then
    exec dnabert-fast merge "$work" -o "$OUTPUT" --summary "$OUTPUT.json" --quiet
fi

# Tasks may be numbered from anywhere, but not with gaps: the count says how many parts there are.
first=${SLURM_ARRAY_TASK_MIN:-1}
i=$((SLURM_ARRAY_TASK_ID - first + 1))
n=${SLURM_ARRAY_TASK_COUNT:?give --array=1-N}

# `--precision auto` would be decided by whichever task comes first, so it is named here.
read -ra options <<<"${OPTIONS:---precision fp32}"
exec dnabert-fast variants "$VCF" "$GENOME" --model "$MODEL" "${options[@]}" --threads "${SLURM_CPUS_PER_TASK:-1}" \
    --work "$work" --shard "$i/$n" -o "$OUTPUT" --quiet
