#!/usr/bin/env bash
# Sixteen bars of melody with and without a conductor, each from two bars on: a run learns windows
# of 2, 4, 8 and then 16 bars, and begins with the parameters of the one before.
#
#   TUNES=DIR launch/sixteen_bars.sh                     # into runs/sixteen_bars/conductor_16 and flat_16
#   TUNES=DIR VARIANTS=conductor SEED=1 launch/sixteen_bars.sh --config.eval.generation_notes=1024
set -euo pipefail
cd "$(dirname "$0")/.."

tunes=${TUNES:?a folder of MIDI or ABC files}
out=${OUT:-runs/sixteen_bars}
stages=${STAGES:-2:128:1300 4:64:800 8:32:800 16:16:1000}  # bars:batch:steps
last=${stages##* }
for variant in ${VARIANTS:-conductor flat}; do
  config=configs/musicvae.py:flat16,folder
  [ "$variant" = conductor ] && config=configs/musicvae.py:melody16,folder
  before=""
  for stage in $stages; do
    IFS=: read -r bars batch steps <<<"$stage"
    fields=(--config.data.scores.bars="$bars" --config.train.batch_size="$batch")
    [ "$variant" = conductor ] && fields+=(--config.method.segments="$bars")
    [ "$stage" = "$last" ] || fields+=(--config.method.prior=standard)
    [ -n "$before" ] && fields+=(--config.train.init_from="$before")
    before="$out/${variant}_$bars"
    python -m cvae_jax.main --config="$config" --config.data.dir="$tunes" \
      --config.data.scores.transpose=5 --config.train.steps="$steps" --config.seed="${SEED:-0}" \
      --workdir="$before" "${fields[@]}" "$@"
  done
done
