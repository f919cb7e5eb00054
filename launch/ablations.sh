#!/usr/bin/env bash
# Runs all ablations, one after the other. Finished runs are kept, so the script can be stopped and
# started again. It takes hours on two cores: docs/ablations.md lists the seconds of each run.
#
#   launch/ablations.sh                              # into runs/ablations
#   launch/ablations.sh --seeds=3 --set=data.name=soundfont_notes
#   OUT=elsewhere ONLY="depth beta" launch/ablations.sh
set -euo pipefail
cd "$(dirname "$0")/.."

out=${OUT:-runs/ablations}
only=${ONLY:-condition leakage beta latent_dim depth reconstruction_loss conditioning_labels upsampling
  downsampling output_size channels representation stft_parameters refinements}
failed=()
for name in $only; do
  python -m cvae_jax.ablate --config="configs/ablations/$name.py" --workdir="$out/$name" "$@" ||
    failed+=("$name")
done
if ((${#failed[@]})); then
  echo "not finished: ${failed[*]}" >&2
  exit 1
fi
