// Scores a VCF in shards, each a task of its own, and joins them:
//
//   nextflow run examples/clusters/main.nf --vcf calls.vcf.gz --genome genome.fa --model DIR --shards 40
//
// The work folder must be one that all tasks see. Shards that are done stay done: after a failure the same command goes
// on, with or without -resume. docs/clusters.md says what to choose.
nextflow.enable.dsl = 2

params.vcf = null
params.genome = null
params.model = null
params.shards = 8
params.output = 'scored.vcf.gz'
params.work = 'scored.vcf.gz.work'
// `--precision auto` would be decided by whichever task comes first, so it is named here.
params.options = '--precision fp32'

process SHARD {
    cpus 1
    maxRetries 2
    errorStrategy 'retry'

    input:
    val i

    output:
    val i

    script:
    """
    dnabert-fast variants '${file(params.vcf).toAbsolutePath()}' '${file(params.genome).toAbsolutePath()}' \\
        --model '${params.model}' ${params.options} --threads ${task.cpus} \\
        --work '${file(params.work).toAbsolutePath()}' --shard ${i}/${params.shards} \\
        -o '${file(params.output).toAbsolutePath()}' --quiet
    """
}

process MERGE {
    input:
    val done

    output:
    val true

    script:
    """
    dnabert-fast merge '${file(params.work).toAbsolutePath()}' -o '${file(params.output).toAbsolutePath()}' \\
        --summary '${file(params.output).toAbsolutePath()}.json' --quiet
    """
}

workflow {
    if (!params.vcf || !params.genome || !params.model) {
        error 'give --vcf, --genome and --model'
    }
    SHARD(Channel.of(1..(params.shards as int)))
    MERGE(SHARD.out.collect())
}
