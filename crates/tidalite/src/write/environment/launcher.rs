//! Ids of jobs and ranks, from the variables that schedulers and launchers set.

use super::fields::text;
use tidalite_model::{Param, Params};

/// Variables of schedulers; the field is the name in lower case.
const SCHEDULER: [&str; 17] = [
    "SLURM_JOB_ID",
    "SLURM_JOB_NAME",
    "SLURM_ARRAY_JOB_ID",
    "SLURM_ARRAY_TASK_ID",
    "SLURM_JOB_PARTITION",
    "SLURM_JOB_NODELIST",
    "SLURM_JOB_NUM_NODES",
    "SLURM_NTASKS",
    "SLURM_CLUSTER_NAME",
    "SLURM_RESTART_COUNT",
    "PBS_JOBID",
    "PBS_JOBNAME",
    "LSB_JOBID",
    "LSB_JOBNAME",
    "JOB_ID",
    "AWS_BATCH_JOB_ID",
    "RAY_JOB_ID",
];

/// Facts of a launcher, each with the variables that have it, in the order in which they are asked.
const LAUNCHER: [(&str, &[&str]); 3] = [
    ("rank", &["RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID"]),
    ("local_rank", &["LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID"]),
    ("world_size", &["WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_NTASKS"]),
];

pub(super) fn scheduler(variable: &dyn Fn(&str) -> Option<String>) -> Params {
    let found = |name: &&str| Some((name.to_ascii_lowercase(), text(&variable(name)?)));
    SCHEDULER.iter().filter_map(found).collect()
}

pub(super) fn launcher(variable: &dyn Fn(&str) -> Option<String>) -> Params {
    let number = |name: &&str| variable(name)?.parse::<i64>().ok();
    let found = |(field, names): &(&str, &[&str])| {
        Some(((*field).to_string(), Param::Int(names.iter().find_map(number)?)))
    };
    LAUNCHER.iter().filter_map(found).collect()
}

#[test]
fn variables_of_jobs_and_ranks_are_found_and_no_others() {
    let variables = [("SLURM_JOB_ID", "17"), ("SLURM_PROCID", "3"), ("RANK", "x"), ("API_KEY", "secret")];
    let variable = |name: &str| variables.iter().find(|v| v.0 == name).map(|v| v.1.to_string());
    assert_eq!(scheduler(&variable), Params::from([("slurm_job_id".into(), "17".into())]));
    assert_eq!(launcher(&variable), Params::from([("rank".into(), 3i64.into())]));
}
