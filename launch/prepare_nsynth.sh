#!/usr/bin/env bash
# Prepares the official NSynth with Apache Beam, here or on a cluster.
#
#   launch/prepare_nsynth.sh local    DATA_DIR [VARIANT]
#   launch/prepare_nsynth.sh dataflow gs://BUCKET/tfds [VARIANT]    needs PROJECT, REGION and BUCKET
#   launch/prepare_nsynth.sh spark    DATA_DIR [VARIANT]            needs JOB_ENDPOINT, host:port
#   launch/prepare_nsynth.sh flink    DATA_DIR [VARIANT]            needs FLINK_MASTER, host:port
#
# VARIANT is full (the default), gansynth_subset or gansynth_subset.f0_and_loudness; the last needs
# `pip install crepe` on every worker. DATA_DIR must be reached by all workers under one path. With
# DRY_RUN=1 the command is printed and not run. Where the archives have been downloaded already, add
# ARCHIVES=their folder.
#
# Spark and Flink run Beam by a job server, which Beam has as containers:
#   docker run --net=host apache/beam_spark3_job_server:latest --spark-master-url=spark://HOST:7077
#   and JOB_ENDPOINT=localhost:8099; Flink needs its REST address alone.
set -euo pipefail

usage() {
  sed -n '4,7s/^# *//p' "$0" >&2
  exit 2
}

[ $# -ge 2 ] || usage
runner=$1 data_dir=$2 variant=${3:-full}

case $runner in
  local)
    options="runner=DirectRunner,direct_num_workers=0,direct_running_mode=multi_processing"
    ;;
  dataflow)
    : "${PROJECT:?the Google Cloud project}" "${REGION:?as europe-west1}" "${BUCKET:?without gs://}"
    requirements=$(mktemp)
    echo "cvae_jax[prepare] @ git+${REPOSITORY:?address of the repository that workers install}" \
      > "$requirements"
    options="runner=DataflowRunner,project=$PROJECT,region=$REGION,job_name=nsynth-${variant//[._]/-}"
    options+=",staging_location=gs://$BUCKET/staging,temp_location=gs://$BUCKET/temp"
    options+=",requirements_file=$requirements"
    ;;
  spark)
    : "${JOB_ENDPOINT:?host:port of the job server}"
    options="runner=PortableRunner,job_endpoint=$JOB_ENDPOINT,environment_type=LOOPBACK"
    ;;
  flink)
    : "${FLINK_MASTER:?host:port of the REST address}"
    options="runner=FlinkRunner,flink_master=$FLINK_MASTER,environment_type=LOOPBACK"
    ;;
  *) usage ;;
esac

command=(python -m cvae_jax.prepare "nsynth/$variant" "--data_dir=$data_dir"
  "--config.data.beam_options=$options")
[ -z "${ARCHIVES:-}" ] || command+=("--config.data.dir=$ARCHIVES")
if [ -n "${DRY_RUN:-}" ]; then
  printf '%q ' "${command[@]}"
  echo
else
  exec "${command[@]}"
fi
