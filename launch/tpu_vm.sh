#!/usr/bin/env bash
# Trains on a Cloud TPU: creates the TPU, installs the package, trains on all hosts, and deletes it.
#
#   PROJECT=p ZONE=us-central2-b TYPE=v4-16 REPOSITORY=https://host/repo launch/tpu_vm.sh \
#     --config=configs/cvae.py --workdir=gs://bucket/runs/cvae
#
# The arguments are passed to `python -m cvae_jax.main`. KEEP=1 keeps the TPU. DRY_RUN=1 prints the
# commands without running them.
set -euo pipefail

: "${PROJECT:?the project}"
: "${ZONE:?the zone}"
: "${TYPE:?the type of TPU, such as v4-16}"
: "${REPOSITORY:?URL to clone this repository from}"
name=${NAME:-cvae-jax}
version=${RUNTIME:-tpu-ubuntu2204-base}

run() {
  if [[ -n ${DRY_RUN:-} ]]; then
    printf '%q ' "$@"
    echo
  else
    "$@"
  fi
}
tpu=(gcloud compute tpus tpu-vm)
where=("--project=$PROJECT" "--zone=$ZONE")
on_all() {
  run "${tpu[@]}" ssh "$name" "${where[@]}" --worker=all "--command=$1"
}
delete() {
  [[ -n ${KEEP:-} ]] || run "${tpu[@]}" delete "$name" "${where[@]}" --quiet
}

run "${tpu[@]}" create "$name" "${where[@]}" "--accelerator-type=$TYPE" "--version=$version"
trap delete EXIT
on_all "git clone --depth=1 $REPOSITORY cvae_jax && cd cvae_jax && pip install -e '.[tpu]'"
on_all "cd cvae_jax && python3 -m cvae_jax.main --multihost $(printf '%q ' "$@")"
