#!/usr/bin/env bash
# Reproduces docs/results.md: trains an autoencoder, a VAE, a CVAE, the thesis' CVAE and the best one
# on each data set, evaluates them in full and compares them in a report. Finished runs are kept, so
# the script can be stopped and started again.
#
#   launch/reproduce.sh                                # into runs/results
#   DATA=synth_notes MODELS="vae cvae" launch/reproduce.sh
#   STEPS=5000 NSYNTH=~/nsynth OUT=elsewhere launch/reproduce.sh
#
# On one core of a busy machine, a run with its evaluation takes 8 to 20 minutes, one of the thesis'
# network 44 to 66, and the whole script about six hours. NSYNTH is the folder that contains
# nsynth-train, nsynth-valid and nsynth-test; without it, real notes are left out. DRY_RUN=1 prints
# the commands without running them.
set -euo pipefail
cd "$(dirname "$0")/.."

out=${OUT:-runs/results}
steps=${STEPS:-600}
read -ra models <<< "${MODELS:-ae vae cvae cvae_thesis cvae_best}"
read -ra data <<< "${DATA:-synth_notes soundfont_notes${NSYNTH:+ nsynth_wav}}"
measures=(--config.eval.waveform_notes=256 --config.eval.probe_notes=1024
  --config.eval.latent_notes=396 --config.eval.generation_notes=396)

run() {
  if [ -n "${DRY_RUN:-}" ]; then
    printf '%q ' "$@"
    echo
  else
    "$@"
  fi
}

failed=()
for set in "${data[@]}"; do
  runs=()
  for model in "${models[@]}"; do
    config=configs/$model.py variants=()
    if [ "$model" = cvae_thesis ]; then
      config=configs/cvae.py variants=(thesis narrow)
    fi
    flags=("--config.data.name=$set")
    if [ "$set" = nsynth_wav ]; then
      variants+=(nsynth_wav)
      flags=("--config.data.dir=${NSYNTH:?the folder of nsynth-train}")
    fi
    joined=$(IFS=,; echo "${variants[*]:-}")
    workdir=$out/$set/$model
    runs+=("$workdir")
    [ -z "${DRY_RUN:-}" ] && [ -e "$workdir/results.json" ] && continue
    run python -m cvae_jax.main "--config=$config${joined:+:$joined}" "--workdir=$workdir" \
      "--config.train.steps=$steps" "${flags[@]}" "${measures[@]}" || failed+=("$workdir")
  done
  run python -m cvae_jax.report "${runs[@]}" "--out=$out/$set/report" || failed+=("$set/report")
done
if ((${#failed[@]})); then
  echo "not finished: ${failed[*]}" >&2
  exit 1
fi
