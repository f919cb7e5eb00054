#!/usr/bin/env bash
# Prepares the official NSynth with Apache Beam, on this machine or on a cluster.
#
#   launch/prepare_nsynth.sh local    DATA_DIR [VARIANT]
#   launch/prepare_nsynth.sh dataflow gs://BUCKET/tfds [VARIANT]    needs PROJECT, REGION and BUCKET
#   launch/prepare_nsynth.sh spark    DATA_DIR [VARIANT]            needs JOB_ENDPOINT, host:port
#   launch/prepare_nsynth.sh flink    DATA_DIR [VARIANT]            needs FLINK_MASTER, host:port
#
# VARIANT is full (the default), gansynth_subset or gansynth_subset.f0_and_loudness; the last needs
# `pip install crepe` on every worker. All workers must reach DATA_DIR under the same path.
# DRY_RUN=1 prints the command without running it. If the archives are already downloaded, set
# ARCHIVES to their folder.
#
# Spark runs Beam through a job server, which Beam provides as a container:
#   docker run --net=host apache/beam_spark3_job_server:latest --spark-master-url=spark://HOST:7077
#   with JOB_ENDPOINT=localhost:8099. Flink needs only its REST address.
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
    : "${PROJECT:?the Google Cloud project}" "${REGION:?the region, such as europe-west1}" "${BUCKET:?the bucket, without gs://}"
    requirements=$(mktemp)
    echo "cvae_jax[prepare] @ git+${REPOSITORY:?URL of the repository that the workers install}" \
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
